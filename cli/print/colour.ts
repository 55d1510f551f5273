// Colours, on a terminal only: files, pipes and NO_COLOR (no-color.org) get plain text.

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';

const codes: Readonly<Record<Colour, string>> = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
};

export type Paint = (text: string, colour: Colour) => string;

/** For what is written to `stream`. */
export function paintFor(stream: { readonly isTTY?: boolean }): Paint {
  const isPlain =
    stream.isTTY !== true ||
    (process.env['NO_COLOR'] ?? '') !== '' ||
    process.env['TERM'] === 'dumb';
  return isPlain ? (text) => text : (text, colour) => `\x1b[${codes[colour]}m${text}\x1b[0m`;
}
