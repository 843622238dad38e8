// Replaces parts of the page as they change. Without it, the page is whole and says what it knew.
'use strict';
(() => {
	const safe = self.trustedTypes ? trustedTypes.createPolicy('live', {createHTML: s => s}) : {createHTML: s => s};
	const from = document.body.dataset.live, last = {};
	const local = () => document.querySelectorAll('time').forEach(t => { t.title = new Date(t.dateTime).toLocaleString(); });
	let wire;
	const follow = () => {
		if (document.hidden) { if (wire) wire.close(); wire = null; return; }
		if (!from || wire) return;
		wire = new EventSource(from);
		wire.onmessage = m => {
			const part = JSON.parse(m.data), at = document.getElementById(part.id);
			if (!at || last[part.id] === part.html) return;
			at.innerHTML = safe.createHTML(last[part.id] = part.html);
			local();
		};
	};
	document.addEventListener('visibilitychange', follow);
	local();
	follow();
})();
