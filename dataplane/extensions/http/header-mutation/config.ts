// envoy.filters.http.header_mutation: main-thread half, filter and per-route.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  FiltersHttpHeaderMutationHeaderMutationProto,
  HeaderMutationPerRouteProto,
  HeaderMutationProto,
  MutationsProto,
} from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { compileHeaderValueOption, isProtectedHeader } from '../../../compile/header-mutations.ts';
import { compileStringMatcher, headerName } from '../../../compile/matchers.ts';
import type {
  HeaderMutationFilterData,
  HeaderMutationRouteData,
  HeaderMutationsInOrder,
  MutationData,
} from './data.ts';

/** HeaderMutation -> HeaderMutationFilterData, HeaderMutationPerRoute -> HeaderMutationRouteData. */
export const headerMutation: ExtensionConfigFactory<FiltersHttpHeaderMutationHeaderMutationProto> =
  {
    name: 'envoy.filters.http.header_mutation',
    category: 'http-filter',
    configTypes: ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutation'],
    routeConfigTypes: ['envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute'],
    compile(
      config: FiltersHttpHeaderMutationHeaderMutationProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      const compilation = new Compilation(context);
      const data: HeaderMutationFilterData = {
        mutations: compileMutations(config.mutations ?? {}, compilation),
        mostSpecificHeaderMutationsWins: config.most_specific_header_mutations_wins ?? false,
      };
      return compilation.result(data);
    },
    compileRoute(
      config: HeaderMutationPerRouteProto,
      context: CompileContext,
    ): Result<unknown, FieldError[]> {
      const compilation = new Compilation(context);
      const data: HeaderMutationRouteData = {
        mutations: compileMutations(config.mutations ?? {}, compilation),
      };
      return compilation.result(data);
    },
  };

function compileMutations(
  mutations: MutationsProto,
  compilation: Compilation,
): HeaderMutationsInOrder {
  const direction = (field: 'request_mutations' | 'response_mutations') =>
    mapItems(mutations[field], `mutations.${field}`, (mutation, at) =>
      compileMutation(mutation, at, compilation),
    );
  return { request: direction('request_mutations'), response: direction('response_mutations') };
}

function compileMutation(
  mutation: HeaderMutationProto,
  path: string,
  compilation: Compilation,
): MutationData {
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
