// envoy.filters.http.header_mutation: main-thread half, filter and per-route.

import type { FieldError, Result } from '../../../../common/result.ts';
import type {
  FiltersHttpHeaderMutationHeaderMutationProto,
  HeaderMutationPerRouteProto,
  MutationsProto,
} from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, mapItems } from '../../../compile/compilation.ts';
import { compileOrderedMutation } from '../../../compile/header-mutations.ts';
import type {
  HeaderMutationFilterData,
  HeaderMutationRouteData,
  HeaderMutationsInOrder,
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
      compileOrderedMutation(mutation, at, compilation),
    );
  return { request: direction('request_mutations'), response: direction('response_mutations') };
}
