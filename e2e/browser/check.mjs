// Opens pages in Chromium and says what is wrong with them: one JSON object on standard output.
//
//   node check.mjs < job.json        job: {tools, chromium, base, cookie, pages: [{name, path, live?}], shots?}
//
// Each page is opened at 390 px in the dark and at 1200 px in the light, with and without JavaScript. It fails on what would
// make it scroll sideways, on every finding of axe (WCAG 2.2 A and AA), on every violation of the content policy, on every
// error on the console or of a request, on targets that are too small for a thumb, and on what the keyboard cannot reach.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const require = createRequire(job.tools + '/');
const { chromium } = require('playwright-core');
const AxeBuilder = require('@axe-core/playwright').default;

const sizes = [
	{ name: 'phone', width: 390, height: 844, colorScheme: 'dark', isMobile: true, hasTouch: true },
	{ name: 'desk', width: 1200, height: 900, colorScheme: 'light' },
];
const found = [];
let opened = 0;
const tallest = 3000; // px of a picture: of a longer page the rest is more of the same

// small finds what a thumb would miss: WCAG 2.2 asks for 24 px, a hurried thumb for 48. Links inside a sentence are exempt.
const small = () => [...document.querySelectorAll('button, summary, input:not([type=hidden]):not([type=radio]), select, .button, nav a, .pick')]
	.filter(e => e.checkVisibility() && e.getBoundingClientRect().height > 1)
	.map(e => [e.textContent.trim().slice(0, 30) || e.name, e.getBoundingClientRect()])
	.filter(([, r]) => r.height < 47.5 || r.width < 44)
	.map(([t, r]) => `${t}: ${Math.round(r.width)}x${Math.round(r.height)}`);

// wide finds what reaches beyond the window.
const wide = () => {
	const w = document.documentElement;
	if (w.scrollWidth <= w.clientWidth) return [];
	const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w.clientWidth + 1 && !e.closest('.raw, .hush, .skip'));
	return [`${w.scrollWidth} px of ${w.clientWidth}: ` + out.slice(0, 3).map(e => e.tagName + '.' + e.className).join(' ')];
};

// window is what one person looks at pages in, one after another: of a size, with or without JavaScript, with the job's cookie or without
// a session. A process for each page, which would have to read axe anew and draw everything for the first time, costs twice as much.
async function window(browser, size, script, nobody) {
	const context = await browser.newContext({ ...size, viewport: { width: size.width, height: size.height }, javaScriptEnabled: script, serviceWorkers: 'block', reducedMotion: 'reduce' });
	if (job.cookie && !nobody) await context.addCookies([{ ...job.cookie, url: job.base }]);
	const w = { context, tab: await context.newPage(), size, script, page: null };
	w.say = what => found.push(`${w.page?.name}, ${size.name}, script ${script ? 'on' : 'off'}: ${what}`);
	w.tab.on('console', m => { if (['error', 'warning'].includes(m.type()) && !(w.page?.status >= 400 && m.text().includes(String(w.page.status)))) w.say('console: ' + m.text()); });
	w.tab.on('pageerror', e => w.say('error: ' + e.message));
	w.tab.on('requestfailed', r => { if (!r.url().includes('/live/')) w.say('request: ' + r.url() + ' ' + r.failure()?.errorText); });
	w.tab.on('request', r => { if (!r.url().startsWith(job.base)) w.say('asks elsewhere: ' + r.url()); });
	return w;
}

async function open(w, page) {
	const { tab, size, script, say } = w;
	w.page = page;
	try {
		await tab.mouse.move(0, 0); // where it was on the page before, it would hover over something of this one
		const got = await tab.goto(job.base + page.path, { waitUntil: 'load' });
		if (got.status() !== (page.status || 200)) say('status ' + got.status());
		if (script && page.live) { // a part is replaced without a violation of Trusted Types
			await tab.waitForFunction(t => document.body.textContent.includes(t), page.live, { timeout: 10_000 }).catch(() => say('the live part did not come'));
		}
		// What is behind a summary belongs to the page, too.
		const look = async when => {
			for (const w of await tab.evaluate(wide)) say(`sideways${when}: ${w}`);
			for (const s of await tab.evaluate(small)) say(`small target${when}: ${s}`);
		};
		await look('');
		if (job.shots) {
			mkdirSync(job.shots, { recursive: true });
			if (!script !== !job.script) await tab.screenshot({ path: `${job.shots}/${page.name}-${size.name}.png`, fullPage: true, clip: { x: 0, y: 0, width: size.width, height: Math.min(tallest, await tab.evaluate(() => Math.max(innerHeight, document.documentElement.scrollHeight))) } });
		}
		for (const s of await tab.locator('summary:visible').all()) if (!await s.evaluate(e => e.parentElement.open)) await s.click();
		await look(', all open');
		if (script) { // axe is a script itself: it is put in behind the policy's back, by the debugger
			const axe = await new AxeBuilder({ page: tab }).setLegacyMode(true).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
			for (const v of axe.violations) say(`axe ${v.id}: ${v.help}: ${v.nodes.slice(0, 2).map(n => n.html.slice(0, 160)).join(' | ')}`);
		}
		if (size.name === 'desk' && script) await keyboard(tab, say);
		opened++;
	} catch (e) {
		say('could not be checked: ' + e.message.split('\n')[0]);
	}
}

// keyboard walks through the page with the Tab key alone, and demands that everything that acts is reached and seen.
async function keyboard(tab, say) {
	const acts = 'a[href], button, summary, input:not([type=hidden]), select, [tabindex="0"]';
	const want = await tab.evaluate(q => { let n = 0; const groups = new Set(); for (const e of document.querySelectorAll(q)) { if (!e.checkVisibility()) continue; if (e.type === 'radio') { const g = e.form.action + e.name; if (groups.has(g)) continue; groups.add(g); } n++; } return n; }, acts);
	await tab.evaluate(() => { document.activeElement?.blur?.(); window.scrollTo(0, 0); });
	const seen = new Set();
	for (let i = 0; i < want + 30 && seen.size < want; i++) {
		await tab.keyboard.press('Tab');
		const at = await tab.evaluate(() => {
			const e = document.activeElement;
			if (!e || e === document.body) return null;
			if (!e.dataset.seen) e.dataset.seen = String(Math.random());
			const s = getComputedStyle(e);
			return { id: e.dataset.seen, shown: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, what: e.tagName + ' ' + e.textContent.trim().slice(0, 30) };
		});
		if (!at) continue;
		if (!seen.has(at.id) && !at.shown) say('focus is not shown on ' + at.what);
		seen.add(at.id);
	}
	if (seen.size < want) say(`the keyboard reaches ${seen.size} of ${want}`);
}

const browser = await chromium.launch({
	executablePath: job.chromium, headless: true,
	args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
try {
	for (const nobody of [false, true]) for (const size of sizes) for (const script of [true, false]) {
		const pages = job.pages.filter(p => !!p.nobody === nobody);
		if (!pages.length) continue;
		const w = await window(browser, size, script, nobody);
		for (const page of pages) await open(w, page);
		await w.context.close();
	}
} finally {
	await browser.close();
}
console.log(JSON.stringify({ opened, found }));
