import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';

const preamble = `# Code

What lies where, and what it is made of. This page is generated: what a file is for is the first sentence of its own comment, what a spec is about the
title of its first \`describe\`. Lines are rounded, to 100 and above 1,000 to 500, so that most changes leave this page as it is; a file that comes or goes
does not, nor does a comment that changes, and \`npm run generate\` writes it anew.
`;

/** What is enough to say of a file whose name says the rest. */
const kinds = {
  '.adapter.ts': 'Makes signals of what the source sends.',
  '.controller.ts': 'The routes.',
  '.module.ts': 'What belongs together for Nest.',
  '.settings.ts': 'The settings of the source.',
  '.source.ts': 'The source, as it is listed.',
};

const isCode = (file) => /\.(ts|mjs)$/.test(file);
const isSpec = (file) => /\.(spec|suite|scope|subjects)\.ts$/.test(file);

/** The text of docs/code-metrics.md; nothing where there is no git to say which files belong to the project. */
export function codeMetrics() {
  const files = filesOfProject();
  if (files === undefined) return undefined;
  const code = ['src', 'test', 'scripts'].flatMap((root) =>
    files.filter((file) => file.startsWith(`${root}/`) && isCode(file)),
  );
  return `${[preamble, ...sizes(code), ...dependencies(), ...structure(code)].join('\n')}`;
}

/** Those that are not committed yet among them, so that a commit changes nothing here. */
function filesOfProject() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
  if (status !== 0) return undefined;
  // By code unit, whatever the language of the machine.
  return [...new Set(stdout.split('\n'))].filter((file) => file !== '' && existsSync(file)).sort();
}

function sizes(code) {
  const folders = Map.groupBy(code, (file) => file.split('/').slice(0, -1).slice(0, 2).join('/'));
  const rows = [...folders].map(([folder, files]) => row(`\`${folder}\``, files));
  const head = ['## Size', '', '| Folder | Files | Lines | Specs | Lines of specs |', '|---|---|---|---|---|'];
  return [...head, ...rows.sort(), row('all', code), ''];
}

function row(name, files) {
  const specs = files.filter(isSpec);
  const others = files.filter((file) => !isSpec(file));
  return `| ${name} | ${others.length} | ${linesOf(others)} | ${specs.length} | ${linesOf(specs)} |`;
}

function linesOf(files) {
  const lines = files.reduce((sum, file) => sum + readFileSync(file, 'utf8').split('\n').length - 1, 0);
  const step = lines < 1000 ? 100 : 500;
  return files.length > 0 && lines < 50 ? 'under 50' : String(Math.round(lines / step) * step);
}

function dependencies() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const table = (title, packages) => [
    `## ${title}`,
    '',
    '| Package | Version |',
    '|---|---|',
    ...Object.entries(packages).map(([name, version]) => `| ${name} | ${version} |`),
    '',
  ];
  return [...table('Dependencies', dependencies), ...table('To develop and test', devDependencies)];
}

function structure(code) {
  const lines = ['## Files', ''];
  const folders = [...Map.groupBy(code, dirname)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [folder, files] of folders) {
    lines.push(`### ${folder}`, '', '| File | |', '|---|---|');
    for (const file of files) lines.push(`| ${basename(file)} | ${descriptionOf(file)} |`);
    lines.push('');
  }
  return lines;
}

function descriptionOf(file) {
  const text = readFileSync(file, 'utf8');
  const title = isSpec(file) ? titleOf(text) : '';
  const comment = title || commentOf(text, nameOf(basename(file).replace(/\.\w+$/, '')));
  const about = comment || Object.entries(kinds).find(([end]) => file.endsWith(end))?.[1] || '';
  // A pipe would end the cell.
  return about.replace(/\|/g, String.raw`\|`);
}

function titleOf(spec) {
  const title = /\bdescribe(?:\.each\([^)]*\))?\(\s*(['"`])((?:\\.|(?!\1).)*)\1/.exec(spec)?.[2] ?? '';
  return title.replace(/\\(.)/g, '$1');
}

/** Of the export that the file is named after, else of what does something, else of any, else what the file begins with. */
function commentOf(text, name) {
  const comment = String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*`;
  const decorators = String.raw`(?:@\w+\([^\n]*\)\s*)*`;
  const declaration = String.raw`export (?:abstract |async )*(class|function|interface|type|const) (\w+)`;
  const exported = [...text.matchAll(new RegExp(comment + decorators + declaration, 'g'))];
  const [, words = ''] =
    exported.find(([, , , candidate]) => nameOf(candidate) === name) ??
    exported.find(([, , kind]) => kind === 'class' || kind === 'function') ??
    exported[0] ??
    /^(?:#!.*\n)?((?:\/\/.*\n)+)/.exec(text) ??
    [];
  const line = words.replace(/^\s*(?:\*|\/\/)|https?:\S+/gm, ' ').replace(/\s+/g, ' ');
  return /^(.*?[.])(?: [A-Z`]|$)/.exec(line.trim())?.[1] ?? line.trim();
}

function nameOf(text) {
  return text.replace(/[^a-z0-9]/gi, '').toLowerCase();
}
