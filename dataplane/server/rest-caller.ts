// xDS by REST: POST calls with Node's own HTTP client. Main thread only.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { RestSource } from '../api/config/config-source.ts';
import type { GrpcTarget } from '../api/config/grpc-target.ts';
import type { RestCaller } from '../xds/rest-source.ts';
import { type SecretLookup, tlsMaterial } from './management-channel.ts';

/** A bound on what one answer may take. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** What Node's timers can bear, which take whole milliseconds only. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** REST calls over one connection each: they are seconds apart. The first address is called, then the next in turn. */
export function restCaller(secrets: SecretLookup): RestCaller {
  let calls = 0;
  return ({ source, path, body }, onAnswer) => {
    const { addresses } = source.target;
    const address = addresses[calls++ % Math.max(1, addresses.length)] ?? '';
    let isOver = false;
    const answer: typeof onAnswer = (of) => {
      if (isOver) return;
      isOver = true;
      onAnswer(of);
    };
    const end = (): void => {
      isOver = true;
    };
    try {
      const call = post(source, address, { path, body, secrets }, answer);
      return () => {
        end();
        call.destroy();
      };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown.message : String(thrown);
      queueMicrotask(() => answer({ error }));
      return end;
    }
  };
}

function post(
  source: RestSource,
  address: string,
  what: { readonly path: string; readonly body: string; readonly secrets: SecretLookup },
  onAnswer: Parameters<RestCaller>[1],
) {
  const { target, requestTimeoutMs } = source;
  const end = address.lastIndexOf(':');
  const body = Buffer.from(what.body);
  const options: RequestOptions = {
    method: 'POST',
    host: address.slice(0, end).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(end + 1)),
    path: what.path,
    // As Envoy: the authority is the name of the cluster.
    headers: {
      host: target.clusterName,
      'content-type': 'application/json',
      'content-length': body.length,
    },
    agent: false,
    signal: AbortSignal.timeout(Math.min(Math.ceil(requestTimeoutMs), MAX_TIMEOUT_MS)),
  };
  const call =
    target.tls === null
      ? httpRequest(options)
      : httpsRequest(tlsOptions(options, target.tls, what.secrets));
  call.on('error', ({ message }) => onAnswer({ error: message }));
  // Without a listener Node would close the connection and tell nobody.
  call.on('upgrade', (_response, socket) => {
    socket.destroy();
    onAnswer({ error: 'the server wants to speak another protocol' });
  });
  call.on('response', (response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) call.destroy(new Error('the answer is too large'));
      else chunks.push(chunk);
    });
    response.on('error', ({ message }) => onAnswer({ error: message }));
    response.on('end', () =>
      onAnswer({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
    );
  });
  call.end(body);
  return call;
}

function tlsOptions(
  options: RequestOptions,
  tls: NonNullable<GrpcTarget['tls']>,
  secrets: SecretLookup,
): RequestOptions {
  const { trustedCaPem, keyPem, chainPem } = tlsMaterial(tls, secrets);
  return {
    ...options,
    servername: tls.sni,
    ...(trustedCaPem === '' ? {} : { ca: trustedCaPem }),
    ...(keyPem === null || chainPem === null ? {} : { key: keyPem, cert: chainPem }),
  };
}
