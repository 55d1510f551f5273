// envoy.http.stateful_session.cookie: the session's host is named in a cookie. No worker half: the filter
// (extensions/http/stateful-session) acts on CookieSessionData.

import { byteString } from '../../../../common/byte-string.ts';
import { type FieldError, ok, type Result } from '../../../../common/result.ts';
import type { CookieBasedSessionStateProto } from '../../../../proto/gen/types.ts';
import type { CookieSessionData } from '../../../api/config/session-state.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const cookieSession: ExtensionConfigFactory<CookieBasedSessionStateProto> = {
  name: 'envoy.http.stateful_session.cookie',
  category: 'http-stateful-session',
  configTypes: ['envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState'],
  compile({ cookie = {} }: CookieBasedSessionStateProto): Result<unknown, FieldError[]> {
    const data: CookieSessionData = {
      kind: 'cookie',
      name: byteString(cookie.name ?? ''),
      // Envoy: whole seconds.
      ttlS: cookie.ttl?.seconds ?? 0,
      path: byteString(cookie.path ?? ''),
      attributes: (cookie.attributes ?? []).map(({ name, value }) => ({
        name: byteString(name ?? ''),
        value: byteString(value ?? ''),
      })),
    };
    return ok(data);
  },
};
