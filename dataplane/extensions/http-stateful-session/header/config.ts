// envoy.http.stateful_session.header: the session's host is named in a header. No worker half: the filter
// (extensions/http/stateful-session) acts on HeaderSessionData.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { HeaderBasedSessionStateProto } from '../../../../proto/gen/types.ts';
import type { HeaderSessionData } from '../../../api/config/session-state.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import { headerName } from '../../../compile/matchers.ts';

export const headerSession: ExtensionConfigFactory<HeaderBasedSessionStateProto> = {
  name: 'envoy.http.stateful_session.header',
  category: 'http-stateful-session',
  configTypes: ['envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState'],
  compile(
    config: HeaderBasedSessionStateProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const name = headerName(config.name, 'name', compilation);
    if (name.startsWith(':')) compilation.fail('name', 'must not be a pseudo-header');
    const data: HeaderSessionData = { kind: 'header', name };
    return compilation.result(data);
  },
};
