// config.core.v3.SocketOption as far as Node can do it: keep-alive can be set, a few are always on, any other is
// refused by its numbers.

import type { SocketOptionProto } from '../../proto/gen/types.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

/** Linux: net.ipv4.tcp_keepalive_time. */
export const DEFAULT_KEEPALIVE_S = 7200;

// Numbers of Linux, which is what a SocketOption's level and name are.
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_KEEPALIVE = 9;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;

/** What socket options ask for, as far as Node can do it. */
export interface SocketOptions {
  readonly keepalive: boolean;
  readonly keepIdleS: number;
}

/** Every option that Node sets anyway or can set; any other is refused by its numbers. */
export function compileSocketOptions(
  options: readonly SocketOptionProto[] | undefined,
  path: string,
  compilation: Compilation,
): SocketOptions {
  let keepalive = false;
  let keepIdleS = DEFAULT_KEEPALIVE_S;
  mapItems(options, path, (option, at) => {
    const level = Number(option.level ?? 0);
    const name = Number(option.name ?? 0);
    const value = option.int_value === undefined ? -1 : Number(option.int_value);
    const is = (wantedLevel: number, wantedName: number): boolean =>
      level === wantedLevel && name === wantedName && value >= 0;
    if (is(SOL_SOCKET, SO_KEEPALIVE)) keepalive = value !== 0;
    else if (is(IPPROTO_TCP, TCP_KEEPIDLE) && value > 0) keepIdleS = value;
    else if (!alwaysOn.some(([onLevel, onName]) => is(onLevel, onName)) || value === 0) {
      compilation.fail(at, `not supported: Node cannot set level ${level}, name ${name}`);
    }
  });
  return { keepalive, keepIdleS };
}

const alwaysOn = [
  [SOL_SOCKET, SO_REUSEADDR],
  [SOL_SOCKET, SO_REUSEPORT],
  [IPPROTO_TCP, TCP_NODELAY],
] as const;
