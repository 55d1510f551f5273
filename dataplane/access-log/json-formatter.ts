// JSON access logs: one object per line. A leaf that is one operator keeps its type (numbers stay numbers,
// missing is null); a leaf that mixes text and operators is a string. Keys come in byte order, as Envoy
// writes them.

import { byteString } from '../../common/byte-string.ts';
import type { LogContext } from '../api/access-log.ts';
import type { PlainData } from '../api/factory.ts';
import { jsonText } from './byte-string.ts';
import type { Operator } from './operator.ts';
import type { Formatter, TextFormatter } from './text-formatter.ts';

/** Renders one part of the tree; null = there is no value. */
interface JsonNode {
  render(context: LogContext): string | null;
}

class ConstantNode implements JsonNode {
  readonly #json: string | null;

  constructor(json: string | null) {
    this.#json = json;
  }

  render(): string | null {
    return this.#json;
  }
}

class OperatorNode implements JsonNode {
  readonly #operator: Operator;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  render(context: LogContext): string | null {
    return this.#operator.json(context);
  }
}

class TextNode implements JsonNode {
  readonly #formatter: TextFormatter;

  constructor(formatter: TextFormatter) {
    this.#formatter = formatter;
  }

  render(context: LogContext): string {
    return jsonText(this.#formatter.format(context));
  }
}

class ArrayNode implements JsonNode {
  readonly #items: readonly JsonNode[];
  readonly #omitEmptyValues: boolean;

  constructor(items: readonly JsonNode[], omitEmptyValues: boolean) {
    this.#items = items;
    this.#omitEmptyValues = omitEmptyValues;
  }

  render(context: LogContext): string {
    let json = '[';
    for (let i = 0; i < this.#items.length; i++) {
      const item = this.#items[i]!.render(context);
      if (item === null && this.#omitEmptyValues) continue;
      json += json.length === 1 ? (item ?? 'null') : `,${item ?? 'null'}`;
    }
    return `${json}]`;
  }
}

class ObjectNode implements JsonNode {
  /** `"key":`, ready to be written. */
  readonly #keys: readonly string[];
  readonly #values: readonly JsonNode[];
  readonly #omitEmptyValues: boolean;

  constructor(keys: readonly string[], values: readonly JsonNode[], omitEmptyValues: boolean) {
    this.#keys = keys;
    this.#values = values;
    this.#omitEmptyValues = omitEmptyValues;
  }

  render(context: LogContext): string {
    let json = '{';
    for (let i = 0; i < this.#values.length; i++) {
      const value = this.#values[i]!.render(context);
      if (value === null && this.#omitEmptyValues) continue;
      if (json.length > 1) json += ',';
      json += this.#keys[i]!;
      json += value ?? 'null';
    }
    return `${json}}`;
  }
}

class JsonFormatter implements Formatter {
  readonly #root: JsonNode;

  constructor(root: JsonNode) {
    this.#root = root;
  }

  format(context: LogContext): string {
    return `${this.#root.render(context) ?? 'null'}\n`;
  }
}

/** `compile` turns a string leaf into a formatter. */
export function createJsonFormatter(
  tree: { readonly [key: string]: PlainData },
  omitEmptyValues: boolean,
  compile: (text: string) => TextFormatter,
): Formatter {
  const build = (data: PlainData): JsonNode => {
    if (typeof data === 'string') return leaf(compile(data));
    if (data === null) return new ConstantNode(null);
    if (typeof data !== 'object') return new ConstantNode(JSON.stringify(data));
    if (Array.isArray(data)) return new ArrayNode(data.map(build), omitEmptyValues);
    const entries = Object.entries(data)
      .map(([key, value]): [string, PlainData] => [byteString(key), value ?? null])
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return new ObjectNode(
      entries.map(([key]) => `${jsonText(key)}:`),
      entries.map(([, value]) => build(value)),
      omitEmptyValues,
    );
  };
  return new JsonFormatter(build(tree));
}

function leaf(formatter: TextFormatter): JsonNode {
  const { literals, operators } = formatter;
  if (operators.length === 0) return new ConstantNode(jsonText(literals[0]!));
  const isSole = operators.length === 1 && literals[0] === '' && literals[1] === '';
  return isSole ? new OperatorNode(operators[0]!) : new TextNode(formatter);
}
