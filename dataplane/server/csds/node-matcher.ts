// Whether a ClientStatusRequest is about this process: envoy.type.matcher.v3.NodeMatcher, any of several.

import { err, type FieldError, ok, type Result } from '../../../common/result.ts';
import type {
  NodeMatcherProto,
  StringMatcherProto,
  StructMatcherProto,
  ValueMatcherProto,
} from '../../../proto/gen/types.ts';
import { isRecord } from '../../../proto/plain.ts';
import type { NodeConfig } from '../../api/config/bootstrap.ts';
import { compileStringMatcher } from '../../compile/matchers.ts';
import { compileStringMatcher as stringMatcher } from '../../matcher/string-matcher.ts';

/** True also when nothing is asked for. Errors name the matcher that makes no sense. */
export function matchesNode(
  matchers: readonly NodeMatcherProto[],
  node: NodeConfig,
): Result<boolean, FieldError[]> {
  const match = new Match();
  const matched = matchers.map((matcher, i) => match.node(matcher, node, `node_matchers[${i}]`));
  if (match.errors.length > 0) return err(match.errors);
  return ok(matchers.length === 0 || matched.includes(true));
}

class Match {
  readonly errors: FieldError[] = [];

  fail(path: string, message: string): void {
    this.errors.push({ path, message });
  }

  /** All that it says must hold. */
  node(
    { node_id: id, node_metadatas: metadatas }: NodeMatcherProto,
    node: NodeConfig,
    path: string,
  ) {
    const isId = id === undefined || this.#text(id, node.id, `${path}.node_id`);
    const held = (metadatas ?? []).map((matcher, i) =>
      this.#struct(matcher, node.metadata, `${path}.node_metadatas[${i}]`),
    );
    return isId && !held.includes(false);
  }

  #text(matcher: StringMatcherProto, value: string, path: string): boolean {
    const before = this.errors.length;
    const data = compileStringMatcher(matcher, path, this);
    return this.errors.length === before && stringMatcher(data).match(value);
  }

  #struct({ path: segments, value: matcher }: StructMatcherProto, metadata: object, at: string) {
    let value: unknown = metadata;
    for (const { key } of segments ?? []) {
      value = isRecord(value) && key !== undefined ? value[key] : undefined;
    }
    if (matcher !== undefined) return this.#value(matcher, value, `${at}.value`);
    this.fail(`${at}.value`, 'is required');
    return false;
  }

  #value(matcher: ValueMatcherProto, value: unknown, path: string): boolean {
    const { string_match: text, double_match: number, or_match: or, list_match: list } = matcher;
    if (matcher.null_match !== undefined) return value === null;
    if (matcher.bool_match !== undefined) return value === matcher.bool_match;
    if (matcher.present_match !== undefined) return (value !== undefined) === matcher.present_match;
    if (text !== undefined) {
      // Compiled whatever the value is: nonsense is to be told.
      const isMatch = this.#text(text, typeof value === 'string' ? value : '', path);
      return isMatch && typeof value === 'string';
    }
    if (number !== undefined) {
      if (typeof value !== 'number') return false;
      if (number.range === undefined) return value === (number.exact ?? 0);
      return value >= (number.range.start ?? 0) && value < (number.range.end ?? 0);
    }
    if (or !== undefined) {
      return (or.value_matchers ?? []).some((one) => this.#value(one, value, path));
    }
    if (list?.one_of !== undefined) {
      const { one_of: oneOf } = list;
      return Array.isArray(value) && value.some((item) => this.#value(oneOf, item, path));
    }
    this.fail(path, 'must say what to match');
    return false;
  }
}
