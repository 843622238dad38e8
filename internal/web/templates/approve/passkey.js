'use strict'; // Asks for a passkey. It shows text only, and signs nothing but the plan whose bytes it has hashed itself.
{
const plan = document.getElementById('plan'), form = plan ?? document.getElementById('enrol'), told = document.getElementById('told'),
	bytes = s => Uint8Array.from(atob(s.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0)),
	text = b => btoa(Array.from(new Uint8Array(b), c => String.fromCharCode(c)).join('')),
	sha = async b => new Uint8Array(await crypto.subtle.digest('SHA-256', b)),
	hex = b => Array.from(b, c => c.toString(16).padStart(2, '0')).join(''),
	buttons = form?.querySelectorAll('button') ?? [];

async function call(path, body) {
	const got = await fetch(path, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)}), out = await got.json();
	if (!got.ok) throw new Error(out.say + (out.hint ? ' – ' + out.hint : ''));
	return out;
}

function ids(list) { return list.map(c => ({...c, id: bytes(c.id)})); }

async function answer(decision) {
	const shown = bytes(plan.dataset.text), digest = 'sha256:' + hex(await sha(shown));
	if (digest !== plan.dataset.digest) throw new Error('The plan on this page is not the one of its digest. Nothing was signed.');
	const {slot, typed, reason} = plan.elements, at = plan.dataset.at;
	const ask = await call(at + '/begin', {plan_digest: digest, decision, slot: slot?.value ?? '', typed: typed?.value ?? ''});
	const statement = bytes(ask.statement), said = JSON.parse(new TextDecoder().decode(statement)), key = ask.public_key, mark = new TextEncoder().encode('writ/approval/v1\0');
	const whole = new Uint8Array(mark.length + statement.length);
	whole.set(mark);
	whole.set(statement, mark.length);
	if (said.plan_digest !== digest || said.plan !== plan.dataset.plan || said.decision !== decision || hex(await sha(whole)) !== hex(bytes(key.challenge)))
		throw new Error('The statement to sign is not your answer to this plan. Nothing was signed.');
	const got = await navigator.credentials.get({publicKey: {...key, challenge: bytes(key.challenge), allowCredentials: ids(key.allowCredentials)}}), r = got.response;
	await call(at + '/answer', {statement: ask.statement, reason: reason?.value ?? '',
		passkey: {credential: text(got.rawId), authenticator_data: text(r.authenticatorData), client_data: text(r.clientDataJSON), signature: text(r.signature)}});
}

async function enrol() {
	const key = (await call('/enrol/begin', {})).public_key;
	const got = await navigator.credentials.create({publicKey: {...key, challenge: bytes(key.challenge), user: {...key.user, id: bytes(key.user.id)}, excludeCredentials: ids(key.excludeCredentials)}});
	await call('/enrol/finish', {credential: text(got.rawId), client_data: text(got.response.clientDataJSON), attestation: text(got.response.attestationObject)});
}

async function press(e) {
	for (const b of buttons) b.disabled = true;
	told.textContent = '';
	try {
		await (plan ? answer(e.currentTarget.value) : enrol());
		location.reload();
	} catch (err) {
		told.textContent = 'Not done: ' + err.message;
		for (const b of buttons) b.disabled = false;
	}
}

form?.addEventListener('submit', e => e.preventDefault());
if (self.PublicKeyCredential) for (const b of buttons) { b.disabled = false; b.onclick = press; }
else if (told) told.textContent = 'This browser has no passkeys. Answer on the command line.';
}
