import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Block {
  readonly language: string;
  readonly text: string;
  /** What a comment in its first line calls it, e.g. `gateway.yaml`. */
  readonly name?: string;
}

/** The fenced blocks of a document of the project, in their order. */
export function blocksOf(document: string): Block[] {
  return blocksIn(textOf(document));
}

/** The same by the headings of the second level, those before the first of them below the empty one. */
export function sectionsOf(document: string): Map<string, Block[]> {
  const parts = textOf(document).split(/^## (.+)$/m);
  const sections = new Map([['', blocksIn(parts[0] ?? '')]]);
  for (let i = 1; i < parts.length; i += 2) sections.set(parts[i] ?? '', blocksIn(parts[i + 1] ?? ''));
  return sections;
}

function textOf(document: string): string {
  return readFileSync(join(__dirname, '..', '..', document), 'utf8');
}

function blocksIn(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = '', block = '']) => {
    const name = /^(?:#|\/\/) (\S+\.\w+)\n/.exec(block)?.[1];
    return { language, text: block, ...(name === undefined ? {} : { name }) };
  });
}

/** The text of the blocks of that name, the last of which counts when there are several. */
export function blockNamed(blocks: readonly Block[], name: string): string {
  const block = blocks.findLast((candidate) => candidate.name === name);
  if (block === undefined) throw new Error(`there is no block ${name}`);
  return block.text;
}
