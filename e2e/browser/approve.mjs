// Plays people who enrol passkeys and answer plans in Chromium, whose virtual authenticator holds the passkeys.
//
//   node approve.mjs        a JSON object on each line of standard input, and one on standard output for each
//
// The first line is the job: {tools, chromium, base, origin, issuer?, spki?}; spki names the one key whose certificate is taken. Then, each with who:
// {do: "login", key}, {do: "oidc", user}, {do: "look", path, until, at?, press?, head?}, {do: "enrol"},
// {do: "confirm", fingerprint}, {do: "remove", fingerprint}, {do: "answer", plan or change, verdict, verified, reads?, typed?, weakened?, present?}, {do: "device"}, {do: "decide", playbook and service, or agent, to,
// verified, wrong?, altered?, other?}, {do: "glass", incident, playbook, parameters,
// justification, verified, weakened?, altered?} and {do: "review", glass, justification}. An answer has what went wrong under found:
// violations of the content policy, findings of axe, errors on the console.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => { const l = await lines.next(); return l.done ? null : JSON.parse(l.value); };
const job = await next();
const require = createRequire(job.tools + '/');
const { chromium } = require('playwright-core');
const AxeBuilder = require('@axe-core/playwright').default;

const browser = await chromium.launch({
	executablePath: job.chromium, headless: true,
	args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost', ...(job.spki ? ['--ignore-certificate-errors-spki-list=' + job.spki] : [])],
});
const people = {}, phone = { width: 390, height: 844 }, patience = 60_000; // ms that a busy machine takes for one step, at most
let found = [], refusals = false;

async function person(who) {
	if (people[who]) return people[who];
	const context = await browser.newContext({ viewport: phone, reducedMotion: 'reduce' });
	context.setDefaultTimeout(patience);
	const tab = await context.newPage();
	// A call that is refused is an error on the console, too, where one is expected.
	tab.on('console', m => { if (job.issuer && tab.url().startsWith(job.issuer)) return; if (['error', 'warning'].includes(m.type()) && !(refusals && m.text().startsWith('Failed to load resource'))) found.push('console: ' + m.text()); });
	tab.on('pageerror', e => found.push('error: ' + e.message));
	tab.on('request', r => { if (![job.base, job.origin, job.issuer ?? job.base].some(o => r.url().startsWith(o + '/'))) found.push('asks elsewhere: ' + r.url()); });
	const wire = await context.newCDPSession(tab);
	await wire.send('WebAuthn.enable');
	return people[who] = { tab, wire, authenticatorId: await authenticator(wire) };
}

async function authenticator(wire) {
	const { authenticatorId } = await wire.send('WebAuthn.addVirtualAuthenticator', {
		options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
	});
	return authenticatorId;
}

async function axe(tab, name) {
	const got = await new AxeBuilder({ page: tab }).setLegacyMode(true).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
	for (const v of got.violations) found.push(`${name}: axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 2).map(n => n.html.slice(0, 160)).join(' | ')}`);
	for (const s of await tab.evaluate(() => [...document.querySelectorAll('button, input:not([type=hidden]):not([type=radio]), select, .button, .pick')].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 47.5).map(e => e.outerHTML.slice(0, 80)))) found.push(`${name}: small target: ${s}`);
	if (await tab.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)) found.push(`${name}: sideways`);
}

// settled presses a button of the script, and returns what the page says when it has done with it.
async function settled(tab, button) {
	await tab.evaluate(() => { window.before = true; });
	await button.click();
	await tab.waitForFunction(() => !window.before || document.getElementById('told').textContent, null, { timeout: patience });
	await tab.waitForLoadState('load');
	return { told: await tab.locator('#told').count() ? await tab.locator('#told').textContent() : '', page: await tab.locator('main').innerText() };
}

const acts = {
	async login(p, c) {
		await p.tab.goto(job.origin + '/enrol');
		await p.tab.waitForURL('**/dev/login*');
		await p.tab.fill('input[name=key]', c.key);
		await p.tab.click('main button');
		await p.tab.waitForURL(job.origin + '/enrol');
		return {};
	},
	// oidc logs in at the issuer's own form, and goes on to the approving origin by the hand-over.
	async oidc(p, c) {
		await p.tab.goto(job.base + '/login?to=/');
		await p.tab.waitForURL(job.issuer + '/**');
		await p.tab.fill('input[name=username]', c.user);
		await p.tab.fill('input[name=password]', c.key);
		await p.tab.press('input[name=password]', 'Enter');
		await p.tab.waitForURL(job.base + '/');
		await p.tab.goto(job.origin + '/enrol');
		await p.tab.waitForURL(job.origin + '/enrol');
		const cookies = await p.tab.context().cookies();
		for (const k of cookies) if (k.name.includes('writ') && !(k.secure && k.httpOnly)) found.push('a cookie that is not Secure and HttpOnly: ' + k.name);
		return { page: cookies.map(k => k.name).join(' ') };
	},
	// look opens a page, presses what is to be pressed on it, and waits, without loading again, until it says something.
	async look(p, c) {
		if (c.path) await p.tab.goto((c.at === 'origin' ? job.origin : job.base) + c.path);
		if (c.press) {
			const part = c.head ? 'header .stop' : 'main';
			for (const s of await p.tab.locator(part + ' summary').all()) if (!await s.evaluate(e => e.parentElement.open)) await s.click();
			const form = p.tab.locator(part + ' form').filter({ has: p.tab.getByRole('button', { name: c.press, exact: true }) }).first(), why = form.locator('input[name=reason]');
			if (await why.count()) await why.fill('seen in a browser');
			await form.getByRole('button', { name: c.press, exact: true }).click();
		}
		await p.tab.waitForFunction(t => document.querySelector('main').innerText.includes(t), c.until, { timeout: patience });
		await axe(p.tab, c.path || c.press || c.until);
		return { page: await p.tab.locator('body').innerText(), told: p.tab.url() };
	},
	// leave logs out at the external URL.
	async leave(p) {
		await p.tab.goto(job.base + '/');
		await p.tab.click('footer button');
		await p.tab.waitForFunction(() => document.querySelector('main').innerText.includes('logged out'));
		return {};
	},
	// reopen opens a page of the approving origin, and says where the browser ended.
	async reopen(p, c) {
		await p.tab.goto(job.origin + c.path);
		return { page: await p.tab.locator('body').innerText(), told: p.tab.url() };
	},
	async enrol(p) {
		await p.tab.goto(job.origin + '/enrol');
		const got = await settled(p.tab, p.tab.locator('#enrol button'));
		await axe(p.tab, 'enrol');
		return { ...got, fingerprint: got.page.match(/SHA256:[\w+/=-]+/)?.[0] ?? '' };
	},
	async confirm(p, c) {
		await p.tab.goto(job.origin + '/enrol');
		await axe(p.tab, 'confirm');
		await p.tab.fill('input[name=fingerprint]', c.fingerprint);
		await p.tab.click('text=Confirm >> nth=-1');
		await p.tab.waitForURL(job.origin + '/enrol');
		return { page: await p.tab.locator('main').innerText() };
	},
	// remove takes a person's own passkey away, on the page, while its authenticator still has it.
	async remove(p, c) {
		await p.tab.goto(job.origin + '/enrol');
		await p.tab.locator('main .card').filter({ hasText: c.fingerprint }).getByRole('button').click();
		await p.tab.waitForFunction(f => !document.querySelector('main')?.innerText.includes(f), c.fingerprint);
		return { page: await p.tab.locator('main').innerText() };
	},
	// answer goes from the page of a plan, or of a change of the policy set, to where a passkey answers it.
	async answer(p, c) {
		await p.wire.send('WebAuthn.setUserVerified', { authenticatorId: p.authenticatorId, isUserVerified: c.verified });
		if (c.reads) await p.tab.setViewportSize({ ...phone, height: 300 });
		await p.tab.goto(job.base + (c.change ? '/policy/' + c.change : '/plans/' + c.plan));
		await p.tab.click('text=Approve or reject with a passkey');
		await p.tab.waitForURL(job.origin + '/approve/' + (c.change ? 'policy/' + c.change : c.plan));
		const before = await p.tab.locator('main').innerText();
		if (c.reads) { // what is to be answered has to come onto the screen, to its end, before anything can be; here it is low
			const yes = p.tab.locator('#plan button[value=approve]'), no = p.tab.locator('#plan button[value=reject]');
			if (!await yes.isDisabled() || !await no.isDisabled()) found.push('the buttons do not wait for the exact change');
			await p.tab.locator('#change-end').scrollIntoViewIfNeeded();
			await p.tab.waitForFunction(() => [...document.querySelectorAll('#plan button')].every(b => !b.disabled), null, { timeout: patience });
			await p.tab.setViewportSize(phone);
		}
		await axe(p.tab, 'approve');
		if (c.typed) await p.tab.fill('input[name=typed]', c.typed);
		refusals = !c.verified || c.altered || c.wrong;
		if (c.weakened) await p.tab.route('**/begin', async r => { const got = await r.fetch(), ask = await got.json(); ask.public_key.userVerification = 'discouraged'; await r.fulfill({ response: got, json: ask }); });
		if (c.altered) await p.tab.evaluate(() => { const d = document.getElementById('plan').dataset; d.text = btoa(atob(d.text).replace('"replicas"', '"replicaz"')); });
		if (c.present) { // the page is made to ask for whatever the authenticator holds, whichever passkeys the server named
			const has = (await p.wire.send('WebAuthn.getCredentials', { authenticatorId: p.authenticatorId })).credentials.map(k => k.credentialId);
			if (!has.length) found.push('the authenticator is empty');
			await p.tab.evaluate(has => {
				const get = navigator.credentials.get.bind(navigator.credentials), allowCredentials = has.map(id => ({ type: 'public-key', id: Uint8Array.from(atob(id), c => c.charCodeAt(0)) }));
				navigator.credentials.get = o => get({ publicKey: { ...o.publicKey, allowCredentials } });
			}, has);
		}
		if (!c.change) await p.tab.fill('input[name=reason]', 'as the graph says'); // a change of the rules is answered without a word
		const out = await settled(p.tab, p.tab.locator(`#plan button[value=${c.verdict}]`));
		await p.tab.unroute('**/begin');
		refusals = false;
		return { ...out, before };
	},
	// decide goes from the page of a playbook, or of the agents, to where a passkey decides how much it may do alone, and looks at
	// that on a phone and on a desk.
	async decide(p, c) {
		await p.wire.send('WebAuthn.setUserVerified', { authenticatorId: p.authenticatorId, isUserVerified: c.verified });
		await p.tab.goto(job.base + (c.agent ? '/agents' : '/playbooks/' + c.playbook));
		await axe(p.tab, 'record');
		const from = c.agent ? p.tab.locator('article.card').filter({ hasText: c.agent }) : p.tab.locator('article.card').filter({ hasText: c.service });
		await from.locator('a.button').filter({ hasText: 'Decide with a passkey' }).first().click();
		await p.tab.waitForURL(job.origin + '/approve/autonomy/' + (c.agent ? 'agent/' + c.agent : `playbook/${c.playbook}/${c.service}`));
		const before = await p.tab.locator('main').innerText();
		await axe(p.tab, 'decide, phone');
		await p.tab.setViewportSize({ width: 1200, height: 900 });
		await axe(p.tab, 'decide, desk');
		await p.tab.setViewportSize(phone);
		const button = p.tab.locator(`#record button[value=${c.to}]`), why = p.tab.locator('#record [name=reason]');
		if (!await button.count()) return { before, told: 'there is no such button' };
		if (!(await settled(p.tab, button)).told.includes('Say why')) found.push('it is decided without a reason');
		await why.fill('as the record says');
		refusals = !c.verified || c.altered || c.other || c.wrong;
		if (c.altered) await p.tab.evaluate(() => { const d = document.getElementById('record').dataset; d.text = btoa(atob(d.text) + ' '); });
		if (c.other) await p.tab.evaluate(to => {
			const real = window.fetch;
			window.fetch = async (path, o) => {
				const got = await real(path, o);
				if (!path.endsWith('/begin')) return got;
				const ask = await got.json();
				ask.statement = btoa(atob(ask.statement).replace(`"to":"${to}"`, '"to":"T4"'));
				return Response.json(ask);
			};
		}, c.to);
		await p.tab.evaluate(() => { document.getElementById('told').textContent = ''; });
		const out = await settled(p.tab, button);
		refusals = false;
		return { ...out, before };
	},
	// device gives a person their other authenticator: an empty one the first time, and from then on the one that they had before.
	async device(p) {
		const { credentials } = await p.wire.send('WebAuthn.getCredentials', { authenticatorId: p.authenticatorId });
		await p.wire.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: p.authenticatorId });
		p.authenticatorId = await authenticator(p.wire);
		for (const credential of p.other ?? []) await p.wire.send('WebAuthn.addCredential', { authenticatorId: p.authenticatorId, credential });
		p.other = credentials;
		return {};
	},
	// glass asks for break-glass from the page of what is owed on, and looks at each step on a phone and on a desk.
	async glass(p, c) {
		const sizes = async name => {
			await axe(p.tab, name + ', phone');
			await p.tab.setViewportSize({ width: 1200, height: 900 });
			await axe(p.tab, name + ', desk');
			await p.tab.setViewportSize({ width: 390, height: 844 });
		};
		await p.wire.send('WebAuthn.setUserVerified', { authenticatorId: p.authenticatorId, isUserVerified: c.verified });
		await p.tab.goto(job.base + '/breakglass');
		await axe(p.tab, 'breakglass');
		await p.tab.click('text=Ask with a passkey');
		await p.tab.waitForURL(job.origin + '/breakglass');
		await sizes('choose');
		await p.tab.selectOption('select[name=incident]', c.incident || 'drill');
		if (c.service) await p.tab.fill('input[name=service]', c.service);
		await p.tab.selectOption('select[name=playbook]', c.playbook);
		await p.tab.click('text=Go on');
		await p.tab.waitForURL(job.origin + '/breakglass?*');
		await sizes('fill');
		for (const [name, value] of Object.entries(c.parameters)) {
			const field = p.tab.locator(`[name="p.${name}"]`);
			await (await field.evaluate(e => e.tagName) === 'SELECT' ? field.selectOption(value) : field.fill(value));
		}
		await p.tab.fill('input[name=justification]', c.justification);
		await p.tab.click('text=Show the exact request');
		await p.tab.waitForSelector('#glass');
		await sizes('request');
		refusals = !c.verified || c.altered || c.refused;
		if (c.weakened) await p.tab.route('**/begin', async r => { const got = await r.fetch(), ask = await got.json(); ask.public_key.userVerification = 'discouraged'; await r.fulfill({ response: got, json: ask }); });
		if (c.altered) await p.tab.evaluate(() => { const d = document.getElementById('glass').dataset; d.source = btoa(atob(d.source) + ' '); });
		if (c.other) await p.tab.route('**/begin', async r => { const got = await r.fetch(), ask = await got.json(); ask.statement = btoa(atob(ask.statement).replace('"drill":false', '"drill":true')); await r.fulfill({ response: got, json: ask }); });
		const out = await settled(p.tab, p.tab.locator('#glass button'));
		await p.tab.unroute('**/begin');
		refusals = false;
		return { ...out, at: p.tab.url() };
	},
	async review(p, c) {
		await p.tab.goto(job.base + '/breakglass/' + c.glass);
		await axe(p.tab, 'glass');
		await p.tab.check('input[value=justified]');
		await p.tab.fill('input[name=note]', c.justification);
		await p.tab.click('text=Hand in the review');
		await p.tab.waitForURL(job.base + '/breakglass/' + c.glass);
		return { page: await p.tab.locator('main').innerText() };
	},
};

try {
	for (let c = await next(); c; c = await next()) {
		let out;
		try {
			const p = await person(c.who);
			out = await acts[c.do](p, c);
		} catch (e) {
			const tab = people[c.who]?.tab;
			out = { failed: `${c.do}: ${e.message} at ${tab?.url()}: ${(await tab?.locator('main').innerText({ timeout: 1000 }).catch(() => '') ?? '').slice(0, 2000)}` };
		}
		console.log(JSON.stringify({ ...out, found }));
		found = [];
	}
} finally {
	await browser.close();
}
