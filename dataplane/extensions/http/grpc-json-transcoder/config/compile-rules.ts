// Services of a descriptor set -> methods and their HTTP bindings. Called by config.ts in the main thread;
// what is wrong comes back as text for the user.

import type {
  FileProto,
  HttpRuleProto,
  MethodProto,
  ServiceProto,
} from '../../../../../proto/descriptor-set.ts';
import { FieldKind, type HttpBindingData, type MethodData } from '../data.ts';
import type { TypeTable } from './compile-types.ts';
import { parseHttpTemplate } from './http-template.ts';

const HTTP_BODY = 'google.api.HttpBody';

/** Collects what the services of one config amount to. */
export class RuleTable {
  readonly methods: MethodData[] = [];
  readonly bindings: HttpBindingData[] = [];
  readonly errors: string[] = [];
  readonly #types: TypeTable;
  readonly #services = new Map<string, ServiceProto>();
  readonly #patterns = new Map<string, string>();

  constructor(files: readonly FileProto[], types: TypeTable) {
    this.#types = types;
    for (const file of files) {
      const prefix = file.package === undefined ? '' : `${file.package}.`;
      for (const service of file.service ?? []) {
        this.#services.set(prefix + (service.name ?? ''), service);
      }
    }
  }

  /** False = the set has no such service. `autoMapping`: methods without a rule are asked for by POST. */
  addService(name: string, autoMapping: boolean): boolean {
    const service = this.#services.get(name);
    if (service === undefined) return false;
    for (const method of service.method ?? []) {
      const path = `/${name}/${method.name ?? ''}`;
      const rule = method.options?.http ?? (autoMapping ? { post: path, body: '*' } : null);
      if (rule === null) continue;
      const methodIndex = this.#addMethod(method, path);
      if (methodIndex !== -1) this.#addRule(rule, methodIndex);
    }
    return true;
  }

  #addMethod(proto: MethodProto, path: string): number {
    const input = this.#types.messageIndex(proto.input_type ?? '');
    const output = this.#types.messageIndex(proto.output_type ?? '');
    if (input === -1 || output === -1) {
      const name = input === -1 ? proto.input_type : proto.output_type;
      this.#fail(path, `the proto descriptor has no message '${name}'`);
      return -1;
    }
    const method: MethodData = {
      path,
      input,
      output,
      isClientStreaming: proto.client_streaming ?? false,
      isServerStreaming: proto.server_streaming ?? false,
    };
    return this.methods.push(method) - 1;
  }

  #addRule(rule: HttpRuleProto, method: number): void {
    const pattern = patternOf(rule);
    if (pattern !== null) this.#addBinding(rule, method, pattern);
    for (const additional of rule.additional_bindings ?? []) this.#addRule(additional, method);
  }

  #addBinding(
    rule: HttpRuleProto,
    methodIndex: number,
    [httpMethod, path]: readonly [string, string],
  ): void {
    const method = this.methods[methodIndex]!;
    const template = parseHttpTemplate(path);
    if (template === null) {
      this.#fail(method.path, `'${path}' is no path template`);
      return;
    }
    this.#claimPattern(method, httpMethod, template.segments, template.verb);
    const bodyPath = fieldPathOf(rule.body ?? '');
    const request = this.#resolve(method.input, bodyPath, method.path);
    for (const variable of template.variables) {
      this.#resolve(method.input, variable.fieldPath, method.path);
    }
    const responsePath = fieldPathOf(rule.response_body ?? '');
    const response = this.#resolve(method.output, responsePath, method.path);
    const isHttpBodyResponse = response?.typeName === HTTP_BODY;
    if (responsePath.length > 0 && response !== null && !isHttpBodyResponse) {
      const { name } = this.#types.messages[method.output]!;
      const text = 'Setting "response_body" is not supported yet for non-HttpBody fields';
      this.#fail(method.path, `${text}: ${name}`);
    }
    this.bindings.push({
      method: methodIndex,
      httpMethod,
      segments: template.segments,
      verb: template.verb,
      variables: template.variables,
      bodyPath,
      isHttpBodyRequest: request?.typeName === HTTP_BODY,
      httpBodyResponsePath: isHttpBodyResponse ? response.numbers : null,
    });
  }

  /** Two rules with one pattern: Envoy then answers neither. */
  #claimPattern(
    { path }: MethodData,
    httpMethod: string,
    segments: readonly string[],
    verb: string,
  ): void {
    const pattern = `${httpMethod} /${segments.join('/')}${verb === '' ? '' : `:${verb}`}`;
    const first = this.#patterns.get(pattern);
    if (first === undefined) this.#patterns.set(pattern, path);
    else this.#fail(path, `${pattern} belongs to ${first} already`);
  }

  /** Follows field names down from a message; null after an error. The type's name is '' for scalars. */
  #resolve(
    message: number,
    names: readonly string[],
    path: string,
  ): { readonly typeName: string; readonly numbers: readonly number[] } | null {
    const { messages } = this.#types;
    let at = message;
    const numbers: number[] = [];
    for (const name of names) {
      const type = messages[at];
      if (type === undefined) {
        this.#fail(path, `'${names.join('.')}' goes on below a field that is no message`);
        return null;
      }
      const field = type.fields.find((item) => item.name === name || item.jsonName === name);
      if (field === undefined) {
        this.#fail(path, `Could not find field "${name}" in the type "${type.name}".`);
        return null;
      }
      numbers.push(field.number);
      at = field.kind === FieldKind.Message || field.kind === FieldKind.Group ? field.type : -1;
    }
    return { typeName: messages[at]?.name ?? '', numbers };
  }

  #fail(methodPath: string, message: string): void {
    const name = methodPath.slice(1).replace('/', '.');
    this.errors.push(`Cannot register '${name}': ${message}`);
  }
}

function patternOf(rule: HttpRuleProto): readonly [string, string] | null {
  if (rule.get !== undefined) return ['GET', rule.get];
  if (rule.put !== undefined) return ['PUT', rule.put];
  if (rule.post !== undefined) return ['POST', rule.post];
  if (rule.delete !== undefined) return ['DELETE', rule.delete];
  if (rule.patch !== undefined) return ['PATCH', rule.patch];
  if (rule.custom !== undefined) return [rule.custom.kind ?? '', rule.custom.path ?? ''];
  return null;
}

/** `*` and '' are the whole message. */
function fieldPathOf(text: string): readonly string[] {
  return text === '' || text === '*' ? [] : text.split('.').filter((name) => name !== '');
}
