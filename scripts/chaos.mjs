// The chaos suite in its long form. The table of faults goes into docs/reliability.md.
import { mkdtempSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { closingLine, runTests } from './lib/jest.mjs';

const document = 'docs/reliability.md';
const [begin, end] = ['<!-- table: npm run chaos -->', '<!-- end of table -->'];

const folder = mkdtempSync(join(tmpdir(), 'chaos-'));
const tableFile = join(folder, 'table.md');
Object.assign(process.env, { CHAOS_FORM: 'full', CHAOS_TABLE: tableFile });
const tests = runTests(['--selectProjects', 'chaos', '--runInBand', ...process.argv.slice(2)]);
if (tests.ok && existsSync(tableFile)) writeTable(readFileSync(tableFile, 'utf8'));
rmSync(folder, { recursive: true });

for (const note of tests.notes) console.log(note);
console.log(closingLine(tests));
process.exitCode = tests.ok ? 0 : 1;

function writeTable(table) {
  const text = readFileSync(document, 'utf8');
  const [before] = text.split(begin);
  const [, after] = text.split(end);
  const day = new Date().toISOString().slice(0, 10);
  const where = `Of ${day}, ${availableParallelism()} cores, three gateways, Redis, the API server and the senders among them.`;
  writeFileSync(document, `${before}${begin}\n\n${where}\n\n${table}\n${end}${after}`);
  console.log(`wrote the table into ${document}`);
}
