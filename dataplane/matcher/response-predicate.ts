// A compiled ResponsePredicateData: what a cluster's outlier detection takes for an error. Immutable.

import type { ResponsePredicateData } from '../api/matcher-data.ts';
import { HeaderMatcher, matchesAllHeaders, type ReadableHeaders } from './header-matcher.ts';

export interface ResponsePredicate {
  matches(headers: ReadableHeaders): boolean;
}

export function createResponsePredicate(data: ResponsePredicateData): ResponsePredicate {
  switch (data.kind) {
    case 'any':
      return { matches: () => true };
    case 'not': {
      const rule = createResponsePredicate(data.rule);
      return { matches: (headers) => !rule.matches(headers) };
    }
    case 'or': {
      const rules = data.rules.map(createResponsePredicate);
      return { matches: (headers) => rules.some((rule) => rule.matches(headers)) };
    }
    case 'and': {
      const rules = data.rules.map(createResponsePredicate);
      return { matches: (headers) => rules.every((rule) => rule.matches(headers)) };
    }
    case 'headers': {
      const matchers = data.headers.map((matcher) => new HeaderMatcher(matcher));
      return { matches: (headers) => matchesAllHeaders(matchers, headers) };
    }
  }
}
