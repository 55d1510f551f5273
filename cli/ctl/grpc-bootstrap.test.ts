// The bootstrap file of proxyless gRPC programs: what the control plane and the libraries read in it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grpcServerListenerName } from '../../controlplane/translate/grpc/listener.ts';
import { CERTIFICATE_PROVIDER } from '../../controlplane/translate/grpc/profile.ts';
import { bootstrapOf, problemOf } from './grpc-bootstrap.ts';

const base = { node: 'shop/web-1', server: '127.0.0.1:18001' };

test('a client without certificates has its server, its node and no provider', () => {
  assert.deepEqual(bootstrapOf(base), {
    xds_servers: [
      {
        server_uri: '127.0.0.1:18001',
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: { id: 'shop/web-1', locality: {}, metadata: { remora: {} } },
    server_listener_resource_name_template: 'grpc/server?xds.resource.listening_address=%s',
  });
});

test('certificates are a provider of the name that clusters give, and the node says so', () => {
  const text = JSON.stringify(bootstrapOf({ ...base, certificates: '/run/remora' }));
  assert.match(text, new RegExp(`"certificate_provider":"${CERTIFICATE_PROVIDER}"`));
  assert.match(
    text,
    new RegExp(`"certificate_providers":{"${CERTIFICATE_PROVIDER}":{"plugin_name":"file_watcher"`),
  );
  assert.match(text, /"certificate_file":"\/run\/remora\/certificate.pem"/);
});

test('the template of servers makes the names that the control plane gives', () => {
  const { server_listener_resource_name_template: template } = bootstrapOf(base) as {
    server_listener_resource_name_template: string;
  };
  assert.equal(template.replace('%s', '0.0.0.0:50051'), grpcServerListenerName('0.0.0.0', 50051));
  assert.equal(template.replace('%s', '[::]:50051'), grpcServerListenerName('::', 50051));
});

test('xDS by mTLS has the same files, and needs them', () => {
  const secured = { ...base, certificates: '/run/remora', tls: true };
  assert.match(
    JSON.stringify(bootstrapOf(secured)),
    /"channel_creds":\[{"type":"tls","config":{"certificate_file":"\/run\/remora\/certificate.pem"/,
  );
  assert.equal(problemOf(secured), null);
  assert.match(problemOf({ ...base, tls: true }) ?? '', /needs --certificates/);
});

test('half a server is refused', () => {
  assert.match(problemOf({ ...base, service: 'stock' }) ?? '', /both --service and --port/);
  const plain = { ...base, service: 'stock', port: 50051 };
  assert.match(problemOf(plain) ?? '', /needs --certificates/);
  assert.equal(problemOf({ ...plain, certificates: '/run/remora' }), null);
});
