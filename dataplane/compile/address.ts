// core.v3.Address and CidrRange as plain data.

import { isIP } from 'node:net';
import type { AddressProto, CidrRangeProto, SocketAddressProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { SocketAddress } from '../api/connection.ts';
import type { Compilation } from './compilation.ts';

/** Stand-in after an error. */
const nowhere: SocketAddress = { ip: '0.0.0.0', port: 0 };

/** A TCP address whose host must be an IP literal. */
export function compileIpAddress(
  address: AddressProto | undefined,
  path: string,
  compilation: Compilation,
): SocketAddress {
  const socket = compileHostAddress(address, path, compilation);
  if (socket !== nowhere && isIP(socket.ip) === 0) {
    compilation.fail(`${path}.socket_address.address`, `malformed IP address: ${socket.ip}`);
  }
  return socket;
}

/** A TCP address whose host may be a name (`ip` then holds it). */
export function compileHostAddress(
  address: AddressProto | undefined,
  path: string,
  compilation: Compilation,
): SocketAddress {
  const socket = address?.socket_address;
  if (socket === undefined) {
    compilation.fail(path, address === undefined ? 'is required' : 'socket_address is required');
    return nowhere;
  }
  return compileSocketAddress(socket, `${path}.socket_address`, compilation);
}

export function compileSocketAddress(
  socket: SocketAddressProto,
  path: string,
  compilation: Compilation,
): SocketAddress {
  if (socket.address === undefined) {
    compilation.fail(`${path}.address`, 'must not be empty');
    return nowhere;
  }
  if (socket.port_value === undefined && socket.named_port === undefined) {
    compilation.fail(`${path}.port_value`, 'is required');
    return nowhere;
  }
  return { ip: socket.address, port: socket.port_value ?? 0 };
}

/** `10.0.0.0/8`; a missing prefix_len is 0, as in Envoy. */
export function compileCidr(range: CidrRangeProto, path: string, compilation: Compilation): string {
  const address = range.address_prefix ?? '';
  const family = isIP(address);
  if (family === 0) {
    compilation.fail(`${path}.address_prefix`, `malformed IP address: ${address}`);
    return '0.0.0.0/0';
  }
  const length = wrapperOr(range.prefix_len, 0);
  const most = family === 4 ? 32 : 128;
  if (length > most) compilation.fail(`${path}.prefix_len`, `must be <= ${most}`);
  return `${address}/${length}`;
}
