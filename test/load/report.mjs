// What a measurement says: tables in Markdown, and all of it as JSON.
import { writeFileSync } from 'node:fs';

export const row = (cells) => `| ${cells.join(' | ')} |`;
export const heading = (titles) => `${row(titles)}\n|${titles.map(() => '---').join('|')}|`;

/** @param columns a title and what it shows of a result, each */
export const rowOf = (columns, result) => row(columns.map(([, cell]) => cell(result)));

/** How far numbers are apart, as a share of the least. */
export const apart = (numbers) => Math.max(...numbers) / Math.min(...numbers) - 1;

/**
 * What was to be reached, and was it: `must`, better `aim`. A goal that is missed is no failure: it says where to work.
 * @param goals `{what, must, aim, measured, unit}`; `least`: they are the least, and not the most
 */
export function printGoals(goals) {
  if (goals.length === 0) return;
  console.log(`\n${heading(['goal', 'must', 'aim', 'measured', 'met'])}`);
  for (const { what, must, aim, measured, unit = '', least = false } of goals) {
    const reaches = (bound) => bound !== undefined && (least ? measured >= bound : measured <= bound);
    const shown = (value) => (value === undefined ? '' : `${least ? '≥' : '≤'} ${value}${unit}`);
    const met = reaches(must) ? (reaches(aim) ? 'yes, and the aim' : 'yes') : 'no';
    console.log(row([what, shown(must), shown(aim), `${Number(measured.toPrecision(3))}${unit}`, met]));
  }
}

/** All that was measured, where somebody wants it. */
export function writeJson(file, results) {
  if (file === undefined) return;
  const all = { node: process.version, at: new Date().toISOString(), ...results };
  writeFileSync(file, `${JSON.stringify(all, undefined, 2)}\n`);
}
