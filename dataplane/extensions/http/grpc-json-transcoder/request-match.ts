// Which method a request means, and what its path and query say about the message. Called by filter.ts for
// every request head; one matcher per filter config, built when the config comes.

import type {
  GrpcJsonTranscoderData,
  HttpBindingData,
  MethodData,
  PathVariableData,
  UrlUnescapeSpec,
} from './data.ts';
import { FieldBindings } from './field-bindings.ts';
import { PathMatcher, variableValue } from './path-matcher.ts';
import type { FieldSchema, MessageSchema, Schema } from './schema.ts';
import { unescapeUrl } from './url-unescape.ts';

/** Names in a query parameter: `a.b.c`. protobuf allows no deeper messages. */
const MAX_PATH_FIELDS = 100;

/** A binding with its fields looked up. */
interface CompiledBinding {
  readonly method: MethodData;
  readonly input: MessageSchema;
  readonly bodyPath: readonly FieldSchema[];
  readonly variables: readonly (readonly [PathVariableData, readonly FieldSchema[]])[];
  readonly isHttpBodyRequest: boolean;
  readonly httpBodyResponsePath: readonly number[] | null;
}

/** A request that can be transcoded. */
export interface MatchedRequest {
  readonly binding: CompiledBinding;
  /** Used up by the message that they go into. */
  readonly bindings: FieldBindings;
  /** Query parameters that name no field, with their values; null = none, or nobody wants them. */
  readonly unknownParameters: ReadonlyMap<string, readonly string[]> | null;
}

/** Why it cannot be: `notFound` = no binding, else what is wrong with its path or query. */
export interface UnmatchedRequest {
  readonly isNotFound: boolean;
  /** It holds what no message may: nobody else should get it either. */
  readonly isMalformed: boolean;
  readonly message: string;
}

export class RequestMatcher {
  readonly #schema: Schema;
  readonly #paths: PathMatcher;
  readonly #compiled = new Map<HttpBindingData, CompiledBinding>();
  readonly #ignored: ReadonlySet<string>;
  readonly #ignoresUnknown: boolean;
  readonly #capturesUnknown: boolean;
  readonly #unescapeSpec: UrlUnescapeSpec;
  readonly #unescapesPlus: boolean;

  constructor(data: GrpcJsonTranscoderData, schema: Schema) {
    this.#schema = schema;
    this.#paths = new PathMatcher(data.bindings, data.matchUnregisteredCustomVerb);
    this.#ignored = new Set(data.ignoredQueryParameters);
    this.#ignoresUnknown = data.ignoreUnknownQueryParameters;
    this.#capturesUnknown = data.captureUnknownQueryParameters;
    this.#unescapeSpec = data.urlUnescapeSpec;
    this.#unescapesPlus = data.queryParamUnescapePlus;
    for (const binding of data.bindings) {
      this.#compiled.set(binding, this.#compile(binding, data.methods[binding.method]!));
    }
  }

  match(httpMethod: string, target: string): MatchedRequest | UnmatchedRequest {
    const question = target.indexOf('?');
    const path = question === -1 ? target : target.slice(0, question);
    const found = this.#paths.match(httpMethod, path);
    if (found === null) {
      return {
        isNotFound: true,
        isMalformed: false,
        message: `Could not resolve ${path} to a method.`,
      };
    }
    const binding = this.#compiled.get(found.binding)!;
    const bindings = new FieldBindings();
    for (const [variable, fields] of binding.variables) {
      const value = variableValue(variable, found.segments, this.#unescapeSpec);
      if (value === null) return NOT_UTF8;
      if (!isInsideHttpBody(binding, fields)) bindings.add(fields, value);
    }
    if (question === -1) return { binding, bindings, unknownParameters: null };
    return this.#addQuery(target.slice(question + 1), binding, bindings);
  }

  #addQuery(
    query: string,
    binding: CompiledBinding,
    bindings: FieldBindings,
  ): MatchedRequest | UnmatchedRequest {
    let unknownParameters: Map<string, string[]> | null = null;
    for (const parameter of query.split('&')) {
      const equals = parameter.indexOf('=');
      if (equals <= 0) continue;
      const name = parameter.slice(0, equals);
      if (this.#ignored.has(name)) continue;
      const value = unescapeUrl(parameter.slice(equals + 1), 'ALL_CHARACTERS', this.#unescapesPlus);
      if (value === null) return NOT_UTF8;
      const fields = this.#resolve(binding.input, name);
      if (typeof fields !== 'string') {
        if (!isInsideHttpBody(binding, fields)) bindings.add(fields, value);
      } else if (this.#capturesUnknown && !this.#ignoresUnknown) {
        unknownParameters ??= new Map();
        const values = unknownParameters.get(name);
        if (values === undefined) unknownParameters.set(name, [value]);
        else values.push(value);
      } else if (!this.#ignoresUnknown)
        return { isNotFound: false, isMalformed: false, message: fields };
    }
    return { binding, bindings, unknownParameters };
  }

  /** The fields that a dotted name leads along, or why there are none. */
  #resolve(type: MessageSchema, name: string): readonly FieldSchema[] | string {
    const names = name.split('.', MAX_PATH_FIELDS + 1);
    if (names.length > MAX_PATH_FIELDS) return 'Encountered a field path that is too long.';
    const fields: FieldSchema[] = [];
    let at = type;
    for (let i = 0; i < names.length; i++) {
      const field = findField(at, names[i]!);
      if (field === undefined) {
        return `Could not find field "${names[i]!}" in the type "${at.name}".`;
      }
      fields.push(field);
      if (i === names.length - 1) break;
      if (!field.isMessage) {
        return `Encountered a non-leaf field "${field.name}" that is not a message while parsing a field path`;
      }
      at = this.#schema.message(field.type);
    }
    return fields;
  }

  #compile(data: HttpBindingData, method: MethodData): CompiledBinding {
    const input = this.#schema.message(method.input);
    return {
      method,
      input,
      bodyPath: this.#fieldsOf(input, data.bodyPath),
      variables: data.variables.map((variable) => [
        variable,
        this.#fieldsOf(input, variable.fieldPath),
      ]),
      isHttpBodyRequest: data.isHttpBodyRequest,
      httpBodyResponsePath: data.httpBodyResponsePath,
    };
  }

  /** Of names that the config's compilation has looked up already. */
  #fieldsOf(type: MessageSchema, names: readonly string[]): readonly FieldSchema[] {
    const fields = names.length === 0 ? [] : this.#resolve(type, names.join('.'));
    if (typeof fields === 'string') throw new Error(fields);
    return fields;
  }
}

const NOT_UTF8: UnmatchedRequest = {
  isNotFound: false,
  isMalformed: true,
  message: 'Encountered non UTF-8 code points.',
};

/** By either name, which may be percent-encoded. */
function findField(type: MessageSchema, name: string): FieldSchema | undefined {
  const field = type.byName.get(name);
  if (field !== undefined || !name.includes('%')) return field;
  const unescaped = unescapeUrl(name, 'ALL_CHARACTERS', false);
  return unescaped === null ? undefined : type.byName.get(unescaped);
}

/** The body of such a request is all there is to the field; path and query do not reach into it. */
function isInsideHttpBody(
  { isHttpBodyRequest, bodyPath }: CompiledBinding,
  fields: readonly FieldSchema[],
): boolean {
  return isHttpBodyRequest && bodyPath.every((field, i) => fields[i] === field);
}
