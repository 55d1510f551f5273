import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpFilterData, httpFilterErrors } from '../../../../test/fakes/config.ts';

const TYPE = 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation';

describe('the config half of envoy.filters.http.header_mutation', () => {
  it('keeps mutations in their order', () => {
    assert.deepEqual(
      httpFilterData(
        TYPE,
        'mutations: {request_mutations: [{append: {header: {key: X-A, value: "%PROTOCOL%"}, append_action: ADD_IF_ABSENT}}, {remove: X-B}], response_mutations: [{remove_on_match: {key_matcher: {prefix: x-}}}]}',
      ),
      {
        mutations: {
          request: [
            {
              kind: 'append',
              header: {
                name: 'x-a',
                value: '%PROTOCOL%',
                action: 'ADD_IF_ABSENT',
                keepEmptyValue: false,
              },
            },
            { kind: 'remove', name: 'x-b' },
          ],
          response: [
            {
              kind: 'remove_on_match',
              nameMatcher: { kind: 'prefix', value: 'x-', ignoreCase: false },
            },
          ],
        },
        mostSpecificHeaderMutationsWins: false,
      },
    );
  });

  it('refuses to touch pseudo headers and Host', () => {
    assert.deepEqual(
      httpFilterErrors(
        TYPE,
        'mutations: {request_mutations: [{append: {header: {key: Host, value: a}}}, {remove: ":path"}]}',
      ),
      [
        'mutations.request_mutations[0].append.header.key: :-prefixed or host headers may not be modified',
        'mutations.request_mutations[1].remove: :-prefixed or host headers may not be removed',
      ],
    );
  });

  it('refuses what is newer than what it does', () => {
    assert.deepEqual(
      httpFilterErrors(TYPE, 'mutations: {query_parameter_mutations: [{remove: a}]}'),
      ['mutations.query_parameter_mutations: not supported yet'],
    );
  });
});
