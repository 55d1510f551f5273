// Splits an access-log format string into literal text and operators. Pure syntax: what an operator means
// is operators.ts. Runs when config is checked and when it is compiled, never per request.
//
//   text %OPERATOR% text %OPERATOR(argument):max_length% %%

/** A piece of a format. */
export type FormatToken =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'operator';
      readonly name: string;
      /** Text between the parentheses; null when there were none. */
      readonly argument: string | null;
      /** Longest output in bytes; null = as long as it is. */
      readonly maxLength: number | null;
    };

/** Tokens in order, or what is malformed and where. */
export type ParsedFormat =
  | { readonly ok: true; readonly tokens: readonly FormatToken[] }
  | { readonly ok: false; readonly message: string };

/** An argument may hold `%` and one level of parentheses, as START_TIME's does. */
const OPERATOR = /%([A-Z][A-Z0-9_]*)(?:\(((?:[^()]|\([^()]*\))*)\))?(?::([0-9]{1,9}))?%/y;

/** Parses a whole format string. */
export function parseFormat(text: string): ParsedFormat {
  const tokens: FormatToken[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    if (percent === -1) break;
    literal += text.slice(at, percent);
    if (text[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const match = OPERATOR.exec(text);
    if (match === null) {
      const near = text.slice(percent, percent + 20);
      return { ok: false, message: `malformed operator at position ${percent}: '${near}'` };
    }
    if (literal !== '') tokens.push({ kind: 'literal', text: literal });
    literal = '';
    tokens.push({
      kind: 'operator',
      name: match[1]!,
      argument: match[2] ?? null,
      maxLength: match[3] === undefined ? null : Number(match[3]),
    });
    at = OPERATOR.lastIndex;
  }
  literal += text.slice(at);
  if (literal !== '') tokens.push({ kind: 'literal', text: literal });
  return { ok: true, tokens };
}
