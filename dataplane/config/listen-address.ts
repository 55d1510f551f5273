// The addresses of a listener: config.core.v3.Address, AdditionalAddress and the socket options that Node can
// set on what it accepts.

import { isIP } from 'node:net';
import { joinPath } from '../../common/result.ts';
import type {
  AddressProto,
  ListenerProto,
  PipeProto,
  TcpKeepaliveProto,
} from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { ListenAddress, ListenerConfig } from '../api/config/listener.ts';
import { compileIpAddress } from '../compile/address.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';
import { compileSocketOptions, DEFAULT_KEEPALIVE_S, type SocketOptions } from './socket-options.ts';

const DEFAULT_PIPE_MODE = 0;
const MAX_PIPE_MODE = 0o777;
/** sun_path without its final NUL. */
const MAX_PIPE_PATH_BYTES = 107;

/** The main address and the additional ones. */
export function compileListenAddresses(
  listener: ListenerProto,
  path: string,
  compilation: Compilation,
): Pick<ListenerConfig, 'address' | 'additionalAddresses'> {
  const at = (field: string): string => joinPath(path, field);
  const options = compileSocketOptions(listener.socket_options, at('socket_options'), compilation);
  const keepaliveS = keepaliveOf(listener.tcp_keepalive, options);
  const address = compileAddress(listener.address, at('address'), keepaliveS, compilation);
  const seen = new Set([keyOf(address)]);
  const additionalAddresses = mapItems(
    listener.additional_addresses,
    at('additional_addresses'),
    (additional, below): ListenAddress => {
      // An override, also an empty one, replaces the listener's options.
      const own =
        additional.socket_options === undefined
          ? options
          : compileSocketOptions(
              additional.socket_options.socket_options,
              `${below}.socket_options.socket_options`,
              compilation,
            );
      const more = compileAddress(
        additional.address,
        `${below}.address`,
        keepaliveOf(additional.tcp_keepalive ?? listener.tcp_keepalive, own),
        compilation,
      );
      // The kernel would share connections between the two sockets.
      if (more.port !== 0 && seen.has(keyOf(more))) {
        compilation.fail(`${below}.address`, 'is an address that this listener has already');
      }
      seen.add(keyOf(more));
      return more;
    },
  );
  return { address, additionalAddresses };
}

function keyOf({ ip, port }: ListenAddress): string {
  return `${ip} ${port}`;
}

function compileAddress(
  address: AddressProto | undefined,
  path: string,
  keepaliveS: number | null,
  compilation: Compilation,
): ListenAddress {
  if (address?.pipe !== undefined) return compilePipe(address.pipe, `${path}.pipe`, compilation);
  const { ip, port } = compileIpAddress(address, path, compilation);
  const ipv4Compat = address?.socket_address?.ipv4_compat ?? false;
  if (ipv4Compat && isIP(ip) !== 6) {
    compilation.fail(`${path}.socket_address.ipv4_compat`, 'is for IPv6 addresses only');
  }
  return { ip, port, mode: 0, ipv4Compat, keepaliveS };
}

function compilePipe(pipe: PipeProto, path: string, compilation: Compilation): ListenAddress {
  const file = pipe.path ?? '';
  const mode = pipe.mode ?? DEFAULT_PIPE_MODE;
  const isAbstract = file.startsWith('@');
  if (!isAbstract && !file.startsWith('/')) {
    compilation.fail(`${path}.path`, 'must be absolute, or begin with @ (abstract)');
  }
  if (Buffer.byteLength(file) > MAX_PIPE_PATH_BYTES) {
    compilation.fail(`${path}.path`, `must not be longer than ${MAX_PIPE_PATH_BYTES} bytes`);
  }
  if (isAbstract && mode !== 0) {
    compilation.fail(`${path}.mode`, 'cannot be set for abstract sockets');
  }
  if (mode > MAX_PIPE_MODE) compilation.fail(`${path}.mode`, 'must be <= 511');
  return { ip: file, port: 0, mode, ipv4Compat: false, keepaliveS: null };
}

function keepaliveOf(
  keepalive: TcpKeepaliveProto | undefined,
  options: SocketOptions,
): number | null {
  if (keepalive !== undefined) return wrapperOr(keepalive.keepalive_time, DEFAULT_KEEPALIVE_S);
  return options.keepalive ? options.keepIdleS : null;
}
