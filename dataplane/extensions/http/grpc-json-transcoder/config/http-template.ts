// Parses the path templates of google.api.http (google/api/http.proto, "Path template syntax"). Called by
// compile-rules.ts in the main thread; a worker matches what comes out with path-matcher.ts.
//
//   Template = "/" Segments [ ":" Verb ]        Segment  = "*" | "**" | LITERAL | Variable
//   Segments = Segment { "/" Segment }          Variable = "{" FieldPath [ "=" Segments ] "}"

import type { PathVariableData } from '../data.ts';

export interface HttpTemplate {
  readonly segments: readonly string[];
  readonly verb: string;
  readonly variables: readonly PathVariableData[];
}

interface OpenVariable {
  fieldPath: string[];
  start: number;
  end: number;
  hasDoubleStar: boolean;
}

/** Null = not a template: syntax, nested variables, or anything but literals behind `**`. */
export function parseHttpTemplate(text: string): HttpTemplate | null {
  const parser = new TemplateParser(text);
  return parser.parse();
}

class TemplateParser {
  readonly #text: string;
  readonly #segments: string[] = [];
  readonly #variables: OpenVariable[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): HttpTemplate | null {
    if (!this.#take('/') || !this.#parseSegments(null)) return null;
    let verb = '';
    if (this.#take(':')) {
      verb = this.#takeLiteral();
      if (verb === '') return null;
    }
    if (this.#at < this.#text.length || !this.#isOrderGood()) return null;
    const count = this.#segments.length;
    const variables = this.#variables.map(({ fieldPath, start, end, hasDoubleStar }) => ({
      fieldPath,
      start,
      end: hasDoubleStar ? end - count - 1 : end,
    }));
    return { segments: this.#segments, verb, variables };
  }

  #parseSegments(variable: OpenVariable | null): boolean {
    do {
      if (!this.#parseSegment(variable)) return false;
    } while (this.#take('/'));
    return true;
  }

  #parseSegment(variable: OpenVariable | null): boolean {
    if (this.#take('*')) {
      const isDouble = this.#take('*');
      if (isDouble && variable !== null) variable.hasDoubleStar = true;
      this.#segments.push(isDouble ? '**' : '*');
      return true;
    }
    if (this.#text[this.#at] === '{') return variable === null && this.#parseVariable();
    const literal = this.#takeLiteral();
    this.#segments.push(literal);
    return literal !== '';
  }

  #parseVariable(): boolean {
    this.#at++;
    const end = this.#text.slice(this.#at).search(/[=}]/);
    if (end === -1) return false;
    const fieldPath = this.#text.slice(this.#at, this.#at + end).split('.');
    if (fieldPath.includes('')) return false;
    this.#at += end;
    const start = this.#segments.length;
    const variable: OpenVariable = { fieldPath, start, end: start, hasDoubleStar: false };
    if (this.#take('=')) {
      if (!this.#parseSegments(variable)) return false;
    } else this.#segments.push('*');
    variable.end = this.#segments.length;
    this.#variables.push(variable);
    return this.#take('}');
  }

  #takeLiteral(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && !'/:}'.includes(this.#text[this.#at]!)) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** Behind `**` only literals can be told apart. */
  #isOrderGood(): boolean {
    const at = this.#segments.indexOf('**');
    return at === -1 || !this.#segments.slice(at + 1).some((segment) => segment.startsWith('*'));
  }
}
