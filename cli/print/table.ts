// A table for terminals: columns padded to their widest cell, two spaces between, nothing behind the last.

/** Colours a cell of a row; `text` is already padded. */
export type PaintCell = (text: string, cell: string, column: string) => string;

/** Lines of a header and rows; ends with a newline. Control characters are shown as `?`. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: PaintCell = (text) => text,
): string {
  const lines = [header, ...rows.map((row) => row.map(printable))];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line, row) =>
      line
        .map((cell, column) => {
          const isLast = line.slice(column + 1).every((later) => later === '');
          const text = isLast ? cell : cell.padEnd(widths[column] ?? 0);
          return row === 0 ? text : paint(text, cell, header[column] ?? '');
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/** What others named must not move the cursor or colour the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it removes
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

/** `42s`, `7m`, `3h`, `2d`: one unit, as kubectl shows ages. */
export function formatAge(seconds: number): string {
  if (seconds < 120) return `${Math.floor(seconds)}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
