// Envoy's format strings, split into literals and operators.
//
//   text %OPERATOR% text %OPERATOR(arguments):max_length% %%
//
// The main thread has checked the text (compile/format); a text that does not parse here is a bug.

/** One operator of a format. */
export interface OperatorCall {
  readonly operator: string;
  /** Between the parentheses; null = none were written. */
  readonly args: string | null;
  /** Longest result; null = no limit. */
  readonly maxLength: number | null;
}

const pattern = /%(?:%|([A-Z][A-Z0-9_]*)(?:\(((?:[^()]|\([^()]*\))*)\))?(?::(\d+))?%)/g;

/** Literals are strings, adjacent ones joined. */
export function parseFormat(text: string): (string | OperatorCall)[] {
  const parts: (string | OperatorCall)[] = [];
  const literal = (more: string) => {
    if (more === '') return;
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + more;
    else parts.push(more);
  };
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    literal(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [, operator, args, length] = match;
    if (operator === undefined) literal('%');
    else {
      const maxLength = length === undefined ? null : Number(length);
      parts.push({ operator, args: args ?? null, maxLength });
    }
  }
  literal(text.slice(at));
  return parts;
}
