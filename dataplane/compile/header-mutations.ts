// request_/response_headers_to_add/_to_remove of routes, virtual hosts and weighted clusters, and the
// HeaderMutation of the header_mutation filter and of mirror policies, which share HeaderValueOption with them.

import { isUtf8 } from 'node:buffer';
import type {
  HeaderMutationProto,
  HeaderValueOptionProto,
  HeaderValueProto,
} from '../../proto/gen/types.ts';
import type {
  HeaderMutationData,
  HeaderMutationsData,
  OrderedMutationData,
} from '../api/matcher-data.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { checkFormat } from './format.ts';
import { compileStringMatcher, headerName } from './matchers.ts';

/** core.v3.HeaderValueOption with Envoy's defaults; its value is a format string. */
export function compileHeaderValueOption(
  option: HeaderValueOptionProto,
  path: string,
  compilation: Compilation,
): HeaderMutationData {
  const header = option.header ?? {};
  const name = headerName(header.key, `${path}.header.key`, compilation);
  const value = valueText(header, path, compilation);
  checkFormat(value, `${path}.header.value`, compilation);
  return {
    name,
    value,
    action: actionOf(option, path, compilation),
    keepEmptyValue: option.keep_empty_value ?? false,
  };
}

/** Formats are texts, which become UTF-8 again on the wire: a raw value has to be UTF-8. */
function valueText(header: HeaderValueProto, path: string, compilation: Compilation): string {
  if (header.raw_value === undefined) return header.value ?? '';
  if (!isUtf8(header.raw_value)) {
    compilation.fail(`${path}.header.raw_value`, 'not supported yet (bytes that are no UTF-8)');
  }
  return Buffer.from(header.raw_value).toString('utf8');
}

function actionOf(
  option: HeaderValueOptionProto,
  path: string,
  compilation: Compilation,
): HeaderMutationData['action'] {
  const action = option.append_action ?? 'APPEND_IF_EXISTS_OR_ADD';
  if (option.append === undefined) return action;
  if (option.append_action !== undefined) {
    compilation.fail(`${path}.append`, 'both append and append_action are set');
  }
  return option.append.value ? 'APPEND_IF_EXISTS_OR_ADD' : 'OVERWRITE_IF_EXISTS_OR_ADD';
}

/** True for what Envoy lets no mutation touch: pseudo headers and Host. */
function isProtectedHeader(name: string): boolean {
  return name.startsWith(':') || name === 'host';
}

/** Most levels have none; one shared value keeps ten thousand routes small. */
const noMutations: HeaderMutationsData = Object.freeze({
  add: Object.freeze([]),
  remove: Object.freeze([]),
});

/** The field names differ by direction: `request_headers_to_add`, `response_headers_to_add`. */
export function compileHeaderMutations(
  direction: 'request' | 'response',
  message: {
    readonly request_headers_to_add?: readonly HeaderValueOptionProto[] | undefined;
    readonly request_headers_to_remove?: readonly string[] | undefined;
    readonly response_headers_to_add?: readonly HeaderValueOptionProto[] | undefined;
    readonly response_headers_to_remove?: readonly string[] | undefined;
  },
  path: string,
  compilation: Compilation,
): HeaderMutationsData {
  const prefix = path === '' ? '' : `${path}.`;
  const addPath = `${prefix}${direction}_headers_to_add`;
  const add = mapItems(message[`${direction}_headers_to_add`], addPath, (option, at) => {
    const mutation = compileHeaderValueOption(option, at, compilation);
    if (isProtectedHeader(mutation.name)) {
      compilation.fail(`${at}.header.key`, ':-prefixed or host headers may not be modified');
    }
    return mutation;
  });
  const removePath = `${prefix}${direction}_headers_to_remove`;
  const remove = mapItems(message[`${direction}_headers_to_remove`], removePath, (name, at) => {
    const lower = headerName(name, at, compilation);
    if (isProtectedHeader(lower)) {
      compilation.fail(at, ':-prefixed or host headers may not be removed');
    }
    return lower;
  });
  return add.length === 0 && remove.length === 0 ? noMutations : { add, remove };
}

/** config.common.mutation_rules.v3.HeaderMutation. */
export function compileOrderedMutation(
  mutation: HeaderMutationProto,
  path: string,
  compilation: Compilation,
): OrderedMutationData {
  if (mutation.append !== undefined) {
    const header = compileHeaderValueOption(mutation.append, `${path}.append`, compilation);
    refuseProtected(header.name, `${path}.append.header.key`, 'modified', compilation);
    return { kind: 'append', header };
  }
  if (mutation.remove_on_match !== undefined) {
    const at = `${path}.remove_on_match.key_matcher`;
    const matcher = mutation.remove_on_match.key_matcher;
    return {
      kind: 'remove_on_match',
      nameMatcher: compileStringMatcher(matcher, at, compilation),
    };
  }
  const name = headerName(mutation.remove, `${path}.remove`, compilation);
  refuseProtected(name, `${path}.remove`, 'removed', compilation);
  return { kind: 'remove', name };
}

function refuseProtected(
  name: string,
  path: string,
  what: 'modified' | 'removed',
  compilation: Compilation,
): void {
  if (isProtectedHeader(name)) {
    compilation.fail(path, `:-prefixed or host headers may not be ${what}`);
  }
}
