// Drives Chromium over sites on disk: node drive.mjs MODULES CHROMIUM. Each line on stdin is a task, as JSON, and is
// answered by a line on stdout; browser.py says what both look like.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const [modules, executablePath] = process.argv.slice(2);
const require = createRequire(resolve(modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
let root; // of the site of the task

const address = (page) => {
  const [file, ...rest] = page.split("#");
  return pathToFileURL(resolve(root, file)).href + (rest.length ? "#" + rest.join("#") : "");
};

// A page that is left while it loads has requests that fail; so every step that may lead on waits for what it led to.
const arrived = (page) => page.waitForLoadState("load").then(() => null);

const steps = {
  go: (page, to) => page.goto(address(to), { waitUntil: "load" }).then(() => null),
  reload: (page) => page.reload({ waitUntil: "load" }).then(() => null),
  back: (page) => page.goBack({ waitUntil: "load" }).then(() => null),
  click: (page, selector) => page.click(selector, { timeout: 5000 }).then(() => arrived(page)),
  fill: (page, [selector, text]) => page.fill(selector, text, { timeout: 5000 }).then(() => null),
  focus: (page, selector) => page.focus(selector, { timeout: 5000 }).then(() => null),
  select: (page, [selector, value]) => page.selectOption(selector, value, { timeout: 5000 }).then(() => null),
  press: (page, key) => page.keyboard.press(key).then(() => arrived(page)),
  wait: (page, expression) => page.waitForFunction(expression, null, { timeout: 5000 }).then(() => null),
  scheme: (page, colorScheme) => page.emulateMedia({ colorScheme }).then(() => null),
  ask: (page, expression) => page.evaluate(expression),
  hash: (page) => new URL(page.url()).hash,
  shot: (page, path) => page.screenshot({ path, fullPage: true, animations: "disabled" }).then(() => null),
  overflow: (page) =>
    page.evaluate(() => {
      const wide = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= wide) { return null; }
      const out = Array.from(document.body.querySelectorAll("*")).filter((e) => {
        let at = e.parentElement;
        for (; at; at = at.parentElement) {
          if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(at).overflowX)) { return false; }
        }
        return e.getBoundingClientRect().right > wide + 0.5;
      });
      const first = out[0];
      return `${document.documentElement.scrollWidth} px in ${wide}: ` +
        (first ? `<${first.tagName.toLowerCase()} class="${first.getAttribute("class") || ""}">` : "unknown");
    }),
  links: (page) =>
    page.evaluate(() =>
      Array.from(document.querySelectorAll("a[href]"), (a) => a.href).filter((href) => href.startsWith("file:"))),
  found: (page) => {
    const id = decodeURIComponent(new URL(page.url()).hash.slice(1));
    return page.evaluate((at) => !at || at.includes("=") || document.getElementById(at) !== null, id);
  },
  axe: async (page, rules) => {
    await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
    if (!await page.evaluate("'axe' in window")) { await page.evaluate(axe); }
    const result = await page.evaluate((only) => window.axe.run(document, {
      resultTypes: ["violations"],
      preload: false, // it would ask for the style sheets again, which the policy forbids
      ...(only ? { runOnly: { type: "rule", values: only } } : {}),
    }), rules);
    return result.violations.map((v) => ({
      rule: v.id, help: v.help, count: v.nodes.length, first: v.nodes[0].html.slice(0, 200),
      why: v.nodes[0].failureSummary.slice(0, 400),
    }));
  },
};

// A page that was left blank is taken again: a fresh profile takes longer than most visits, and sites keep nothing in one.
const blank = new Map(); // by whether scripts run

async function opened(browser, scenario) {
  const { scripts, width, height, scheme: colorScheme } = scenario;
  let page = blank.get(scripts);
  blank.delete(scripts);
  if (!page) {
    // a request to elsewhere must be seen, not be spared: so it is not offline
    const context = await browser.newContext({ javaScriptEnabled: scripts, reducedMotion: "reduce", offline: false });
    page = await context.newPage();
  }
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
  return page;
}

async function play(browser, scenario) {
  const page = await opened(browser, scenario);
  const answers = [], messages = [], requests = [];
  const heard = {
    console: (m) => messages.push(`${m.type()}: ${m.text()}`),
    pageerror: (e) => messages.push(`error: ${e.message}`),
    requestfailed: (r) => messages.push(`failed: ${r.url()}, ${r.failure()?.errorText}`),
    request: (r) => {
      if (!r.url().startsWith(pathToFileURL(root).href + "/") && !r.url().startsWith("data:")) { requests.push(r.url()); }
    },
  };
  for (const [event, listener] of Object.entries(heard)) { page.on(event, listener); }
  try {
    for (const [name, argument] of scenario.steps) { answers.push(await steps[name](page, argument)); }
  } catch (error) {
    await page.context().close();
    return { answers, messages, requests, error: `step ${answers.length + 1}: ${error.message}` };
  }
  for (const [event, listener] of Object.entries(heard)) { page.off(event, listener); }
  await page.mouse.move(0, 0);
  await page.goto("about:blank");
  blank.set(scenario.scripts, page);
  return { answers, messages, requests, error: null };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line);
    root = resolve(task.site);
    const results = [];
    for (const scenario of task.scenarios) { results.push(await play(browser, scenario)); }
    process.stdout.write(JSON.stringify(results) + "\n");
  }
} finally {
  await browser.close();
}
