'use strict'; // Replaces parts of the page as they change. Without it the page is whole.
{
const same = {createHTML: s => s}, safe = self.trustedTypes ? trustedTypes.createPolicy('live', same) : same,
	all = (e, q) => [...e.querySelectorAll(q)], from = document.body.dataset.live, last = {};
let wire;
function local() { for (const t of all(document, 'time')) t.title = new Date(t.dateTime).toLocaleString(); }
function put(m) {
	const {id, html} = JSON.parse(m.data), e = document.getElementById(id);
	if (!e || last[id] == html) return;
	const at = all(e, 'a,summary').indexOf(document.activeElement), open = all(e, 'details').map(d => d.open);
	e.innerHTML = safe.createHTML(last[id] = html);
	all(e, 'details').forEach((d, i) => d.open = open[i]);
	all(e, 'a,summary')[at]?.focus();
	local();
}
function follow() {
	if (document.hidden) wire = wire?.close();
	else if (from && !wire) (wire = new EventSource(from)).onmessage = put;
}
document.onvisibilitychange = follow;
local();
follow();
}
