'use strict'; // Asks for a passkey. It shows text only, and has nothing signed but what it has hashed itself from this page.
{
const plan = document.getElementById('plan'), glass = document.getElementById('glass'), record = document.getElementById('record'), form = plan ?? glass ?? record ?? document.getElementById('enrol'), told = document.getElementById('told'),
	bytes = s => Uint8Array.from(atob(s.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0)),
	text = b => btoa(Array.from(new Uint8Array(b), c => String.fromCharCode(c)).join('')),
	sha = async b => new Uint8Array(await crypto.subtle.digest('SHA-256', b)),
	hex = b => Array.from(b, c => c.toString(16).padStart(2, '0')).join(''),
	digestOf = async b => 'sha256:' + hex(await sha(b)), parse = b => JSON.parse(new TextDecoder().decode(b)),
	buttons = form?.querySelectorAll('button') ?? [];

async function call(path, body) {
	const got = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)}), out = await got.json();
	if (!got.ok) throw new Error(out.say + (out.hint ? ' – ' + out.hint : ''));
	return out;
}

function ids(list) { return list.map(c => ({...c, id: bytes(c.id)})); }

// signed has the passkey sign a statement, once it says what fits and the challenge is its hash for this purpose.
async function signed(ask, purpose, fits, wrong) {
	const statement = bytes(ask.statement), key = ask.public_key, mark = new TextEncoder().encode(purpose + '\0'), whole = new Uint8Array(mark.length + statement.length);
	whole.set(mark);
	whole.set(statement, mark.length);
	if (!fits(parse(statement)) || hex(await sha(whole)) !== hex(bytes(key.challenge))) throw new Error(wrong + ' Nothing was signed.');
	const got = await navigator.credentials.get({publicKey: {...key, challenge: bytes(key.challenge), allowCredentials: ids(key.allowCredentials)}}), r = got.response;
	return {credential: text(got.rawId), authenticator_data: text(r.authenticatorData), client_data: text(r.clientDataJSON), signature: text(r.signature)};
}

async function answer(decision) {
	const digest = await digestOf(bytes(plan.dataset.text));
	if (digest !== plan.dataset.digest) throw new Error('The plan on this page is not the one of its digest. Nothing was signed.');
	const {slot, typed, reason} = plan.elements, at = plan.dataset.at;
	const ask = await call(at + '/begin', {plan_digest: digest, decision, slot: slot?.value ?? '', typed: typed?.value ?? ''});
	const passkey = await signed(ask, plan.dataset.purpose, s => s.plan_digest === digest && s.plan === plan.dataset.plan && s.tier === plan.dataset.tier && s.decision === decision,
		'The statement to sign is not your answer to this plan.');
	await call(at + '/answer', {statement: ask.statement, reason: reason?.value ?? '', passkey});
	location.reload();
}

async function breakGlass() {
	const d = glass.dataset, given = bytes(d.parameters), digest = await digestOf(bytes(d.source)), parameters = await digestOf(given);
	if (digest !== d.digest) throw new Error('The playbook on this page is not the one of its digest. Nothing was signed.');
	const playbook = {name: d.playbook, version: Number(d.version), digest}, wish = {incident: d.incident, service: d.service, playbook, parameters: parse(given)};
	const ask = await call('/breakglass/begin', wish);
	const passkey = await signed(ask, 'writ/breakglass/v1', s => (s.txn ?? '') === d.incident && s.drill === !d.incident && s.service === d.service && s.parameters === parameters &&
		s.playbook.name === playbook.name && s.playbook.version === playbook.version && s.playbook.digest === digest && s.asker.iss === d.iss && s.asker.sub === d.sub,
		'The statement to sign is not the request on this page.');
	const {id} = await call('/breakglass/ask', {statement: ask.statement, passkey, parameters: wish.parameters, justification: d.justification});
	location.assign('/breakglass/' + id);
}

async function decide(to) {
	if (!record.reportValidity()) throw new Error('Say why.');
	const d = record.dataset, digest = await digestOf(bytes(d.text)), reason = record.elements.reason.value;
	if (digest !== d.digest) throw new Error('The record on this page is not the one of its digest. Nothing was signed.');
	const ask = await call('/approve/autonomy/begin', {playbook: d.playbook, service: d.service, agent: d.agent, to, record: digest});
	const passkey = await signed(ask, 'writ/autonomy/v1', s => s.record === digest && s.from === d.from && s.to === to && (s.playbook ?? '') === d.playbook && (s.service ?? '') === d.service &&
		(d.agent ? s.agent.kind === 'agent' && s.agent.iss === d.agentIss && s.agent.sub === d.agentSub : !s.agent) && s.person.iss === d.iss && s.person.sub === d.sub,
		'The statement to sign is not your decision on this record.');
	await call('/approve/autonomy/answer', {statement: ask.statement, passkey, reason});
	location.reload();
}

async function enrol() {
	const key = (await call('/enrol/begin', {})).public_key;
	const got = await navigator.credentials.create({publicKey: {...key, challenge: bytes(key.challenge), user: {...key.user, id: bytes(key.user.id)}, excludeCredentials: ids(key.excludeCredentials)}});
	await call('/enrol/finish', {credential: text(got.rawId), client_data: text(got.response.clientDataJSON), attestation: text(got.response.attestationObject)});
	location.reload();
}

async function press(e) {
	for (const b of buttons) b.disabled = true;
	told.textContent = '';
	try {
		await (plan ? answer(e.currentTarget.value) : glass ? breakGlass() : record ? decide(e.currentTarget.value) : enrol());
	} catch (err) {
		told.textContent = 'Not done: ' + err.message;
		for (const b of buttons) b.disabled = false;
	}
}

form?.addEventListener('submit', e => e.preventDefault());
function ready() {
	document.getElementById('look')?.remove();
	for (const b of buttons) { b.disabled = false; b.onclick = press; }
}

// At tiers 3 and 4 the end of the exact change has to come onto the screen first.
const end = plan?.dataset.look && document.getElementById(plan.dataset.look);
if (self.PublicKeyCredential && plan?.dataset.look && end) new IntersectionObserver((seen, o) => { if (seen.some(e => e.isIntersecting)) { o.disconnect(); ready(); } }).observe(end);
else if (self.PublicKeyCredential && !plan?.dataset.look) ready();
else if (told) told.textContent = 'This browser has no passkeys. Answer on the command line.';
}
