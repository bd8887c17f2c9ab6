// Whether the tables of requirements and of security name only files that exist, and tests that stand in their specs.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const documents = ['docs/requirements.md', 'docs/security-checklist.md'];
const link = /\[[^\]]*\]\(([^)#]+)[^)]*\)/g;
const mistakes = [];
const ids = new Set();

for (const line of documents.flatMap((document) => readFileSync(document, 'utf8').split('\n'))) {
  for (const [, path] of line.matchAll(link))
    if (!existsSync(join('docs', path))) mistakes.push(`${path} does not exist`);
  const [, id, , doneBy, shownBy] = line.split('|').map((cell) => cell.trim());
  if (!/^(BR-GATEWAY|KG|SEC)-\d{3}$/.test(id ?? '')) continue;
  if (ids.has(id)) mistakes.push(`${id} stands there twice`);
  ids.add(id);
  // A row of what is not done here has a reason in its last cell, and no other.
  if (!shownBy) continue;
  if (!doneBy.includes('](')) mistakes.push(`${id} names no file`);
  for (const test of shownBy.split('<br>')) {
    const [, path, title] = /\]\(([^)]+)\): (.+)$/.exec(test) ?? [];
    if (path === undefined) mistakes.push(`${id}: "${test}" is no test, written as [spec](path): title`);
    else if (existsSync(join('docs', path)) && !titlesOf(join('docs', path)).includes(title))
      mistakes.push(`${id}: ${path} has no test "${title}"`);
  }
}

for (const mistake of mistakes) console.log(mistake);
if (mistakes.length > 0) process.exitCode = 1;

/** What is called it(…) or describe(…) there, of whichever kind of quote. */
function titlesOf(spec) {
  const text = readFileSync(spec, 'utf8');
  const titles = text.matchAll(
    /(?:\b(?:it|describe)|\))\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`),/g,
  );
  return [...titles].map((title) => (title[1] ?? title[2] ?? title[3]).replace(/\\(.)/g, '$1'));
}
