// The few protobuf shapes that every translator needs, in plain form (proto/plain.ts).

import type { AddressProto, ConfigSourceProto } from '../../proto/gen/types.ts';
import type { PlainDuration, Wrapper } from '../../proto/plain.ts';

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

/** `ms` is a whole number >= 0. */
export function duration(ms: number): PlainDuration {
  return {
    seconds: Math.floor(ms / MS_PER_SECOND),
    nanos: (ms % MS_PER_SECOND) * NANOS_PER_MS,
  };
}

export function wrapped<T>(value: T): Wrapper<T> {
  return { value };
}

/** "From the stream that this came on." */
export const adsSource: ConfigSourceProto = { ads: {}, resource_api_version: 'V3' };

export function socketAddress(address: string, port: number): AddressProto {
  return { socket_address: { address, port_value: port } };
}

/** Edge advice: a small buffer per connection bounds what slow peers can hold. */
export const BUFFER_LIMIT_BYTES = 32_768;
