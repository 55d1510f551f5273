// Reads and writes the kept corpus: text files of named inputs, one folder per fuzz target.
//
//   == H1-01 CL then TE
//   POST / HTTP/1.1\r\n
//   Host: a\r\n
//
// A line end of the file means nothing; bytes are ASCII and the escapes \r \n \t \\ \xNN, and \{1000:text}
// stands for 1000 times the text (without escapes of its own but \r, \n and \xNN).

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('./corpus', import.meta.url));

export interface CorpusEntry {
  /** Begins with the ID of a reliability row where it stands for one. */
  readonly name: string;
  readonly bytes: Buffer;
}

export function corpusFolder(target: string): string {
  return join(root, target);
}

/** All entries of a target, by file name and then in the order written. */
export function readCorpus(target: string): CorpusEntry[] {
  const folder = corpusFolder(target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .flatMap((file) => parseCorpus(readFileSync(join(folder, file), 'latin1')));
}

export function parseCorpus(text: string): CorpusEntry[] {
  const entries: { name: string; text: string }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('== ')) entries.push({ name: line.slice(3), text: '' });
    else if (!line.startsWith('#')) {
      const last = entries.at(-1);
      if (last !== undefined) last.text += line;
      else if (line !== '') throw new Error(`corpus: text before the first '== name': ${line}`);
    }
  }
  return entries.map((entry) => ({
    name: entry.name,
    bytes: Buffer.from(unescaped(entry.text), 'latin1'),
  }));
}

const simple: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '\\': '\\' };

function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:\{(\d+):([^}]*)\}|x([0-9a-f]{2})|(.?))/g,
    (all, count?: string, repeated?: string, hex?: string, plain?: string) => {
      if (count !== undefined) return unescaped(repeated ?? '').repeat(Number(count));
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
      const char = simple[plain ?? ''];
      if (char === undefined) throw new Error(`corpus: unknown escape ${all}`);
      return char;
    },
  );
}

/** The text of an entry that parseCorpus reads back to the same bytes. */
export function formatEntry(name: string, bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 10) text += '\\n\n';
    else if (byte === 13) text += '\\r';
    else if (byte === 9) text += '\\t';
    else if (byte === 92) text += '\\\\';
    else if (byte < 32 || byte > 126) text += `\\x${byte.toString(16).padStart(2, '0')}`;
    // At the start of a line these would be read as a heading or a comment.
    else if ((byte === 35 || byte === 61) && /(^|\n)$/.test(text))
      text += `\\x${byte.toString(16)}`;
    else text += String.fromCharCode(byte);
  }
  return `== ${name}\n${text}\n`;
}
