// envoy.filters.http.stateful_session: main-thread half, filter and per-route.

import { type FieldError, joinPath, type Result } from '../../../../common/result.ts';
import type {
  StatefulSessionPerRouteProto,
  StatefulSessionProto,
} from '../../../../proto/gen/types.ts';
import type { SessionStateData } from '../../../api/config/session-state.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation, namedAny } from '../../../compile/compilation.ts';
import type { StatefulSessionData, StatefulSessionRouteData } from './data.ts';

const types = 'envoy.extensions.filters.http.stateful_session.v3';
const DEFAULT_STATUS_IF_MISSING = 503;

/** StatefulSession -> StatefulSessionData, StatefulSessionPerRoute -> StatefulSessionRouteData. */
export const statefulSession: ExtensionConfigFactory<StatefulSessionProto> = {
  name: 'envoy.filters.http.stateful_session',
  category: 'http-filter',
  configTypes: [`${types}.StatefulSession`],
  routeConfigTypes: [`${types}.StatefulSessionPerRoute`],
  compile(config: StatefulSessionProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    return compilation.result(compileSession(config, '', compilation));
  },
  compileRoute(
    config: StatefulSessionPerRouteProto,
    context: CompileContext,
  ): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const session = config.stateful_session;
    // Else `disabled`, which can only be true (a constraint of the message).
    const data: StatefulSessionRouteData =
      session === undefined ? null : compileSession(session, 'stateful_session', compilation);
    return compilation.result(data);
  },
};

function compileSession(
  config: StatefulSessionProto,
  path: string,
  compilation: Compilation,
): StatefulSessionData {
  const at = joinPath(path, 'session_state');
  const state =
    config.session_state === undefined
      ? null
      : compilation.extension('http-stateful-session', namedAny(config.session_state), at);
  const strict = config.strict ?? false;
  const status = config.status_on_strict_destination_not_found ?? 0;
  if (status !== 0 && (status < 200 || status > 599)) {
    const field = joinPath(path, 'status_on_strict_destination_not_found');
    compilation.fail(field, 'must be between 200 and 599');
  }
  return {
    state: (state?.data ?? null) as SessionStateData | null, // what the halves of that category make
    strict,
    statusIfMissing: strict && status !== 0 ? status : DEFAULT_STATUS_IF_MISSING,
    statPrefix: config.stat_prefix ?? '',
  };
}
