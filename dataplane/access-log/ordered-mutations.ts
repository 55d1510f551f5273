// A list of header mutations, compiled: formats and matchers once at config time, applied in order per message by
// the header_mutation filter and to mirrored requests.

import type { LogContext } from '../api/access-log.ts';
import { type HeaderFields, removeField } from '../api/headers.ts';
import type { HeaderMutationData, OrderedMutationData } from '../api/matcher-data.ts';
import { applyHeaderOption } from '../http/append-header.ts';
import { compileStringMatcher, type StringMatcher } from '../matcher/string-matcher.ts';

/** A compiled access-log format: what a header's value becomes; '' or null when all of it is missing. */
export type ValueFormat = (context: LogContext) => string | null;
/** Compiles a format string; the main thread has checked it. */
export type CompileFormat = (text: string) => ValueFormat;

type Mutation =
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'append'; readonly option: HeaderMutationData; readonly value: ValueFormat }
  | { readonly kind: 'remove_on_match'; readonly matcher: StringMatcher };

/** Immutable; shared by all streams. */
export class Mutations {
  readonly #mutations: readonly Mutation[];

  constructor(data: readonly OrderedMutationData[], compileFormat: CompileFormat) {
    this.#mutations = data.map((mutation) => compile(mutation, compileFormat));
  }

  /** Changes `fields` in place; `context` is what formats see, the message being changed included. */
  apply(fields: HeaderFields, context: LogContext): void {
    const mutations = this.#mutations;
    for (let i = 0; i < mutations.length; i++) {
      const mutation = mutations[i]!;
      switch (mutation.kind) {
        case 'remove':
          removeField(fields, mutation.name);
          break;
        case 'append':
          applyHeaderOption(fields, mutation.option, mutation.value(context) ?? '');
          break;
        case 'remove_on_match':
          removeMatching(fields, mutation.matcher);
          break;
      }
    }
  }
}

function compile(data: OrderedMutationData, compileFormat: CompileFormat): Mutation {
  switch (data.kind) {
    case 'remove':
      return { kind: 'remove', name: data.name };
    case 'append':
      return { kind: 'append', option: data.header, value: compileFormat(data.header.value) };
    case 'remove_on_match':
      return { kind: 'remove_on_match', matcher: compileStringMatcher(data.nameMatcher) };
  }
}

function removeMatching(fields: HeaderFields, matcher: StringMatcher): void {
  for (let i = 0; i < fields.length; ) {
    if (matcher.match(fields[i]!)) fields.splice(i, 2);
    else i += 2;
  }
}
