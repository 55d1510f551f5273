// The servers of the garden: each as a reverse proxy with an ordinary configuration, started on a free port from a
// scratch folder and stopped by pid. Limits of size are raised to the proxy's, so that a verdict is about framing.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { findPeer } from '../interop/peers.ts';
import { freePort } from '../interop/proxies.ts';
import { type EchoServer, startEchoServer } from './echo.ts';

export interface Peer {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  /** Behind the peer; of the peer `node` it is the peer itself. */
  readonly backend: EchoServer;
  stop(): Promise<void>;
}

interface PeerKind {
  readonly name: string;
  readonly binary: string;
  readonly versionArgs: readonly string[];
  config(port: number, backendPort: number, folder: string): string;
  args(file: string, port: number, folder: string): readonly string[];
}

const kinds: readonly PeerKind[] = [
  {
    name: 'nginx',
    binary: 'nginx',
    versionArgs: ['-v'],
    config: (port, backendPort, folder) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000;
  large_client_header_buffers 4 128k;
  client_max_body_size 0;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_ignore_client_abort on;
      proxy_pass http://backend;
    }
  }
}
`,
    args: (file, _port, folder) => ['-p', folder, '-c', file],
  },
  {
    name: 'haproxy',
    binary: 'haproxy',
    versionArgs: ['-v'],
    config: (port, backendPort) => `
global
  maxconn 1000
  tune.bufsize 131072
  tune.maxrewrite 8192
  tune.http.maxhdr 512
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server s 127.0.0.1:${backendPort}
`,
    args: (file) => ['-db', '-q', '-f', file],
  },
  {
    name: 'apache',
    binary: 'apache2',
    versionArgs: ['-v'],
    config: (port, backendPort, folder) => `
ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
LogLevel crit
${['mpm_event', 'authz_core', 'proxy', 'proxy_http']
  .map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  .join('\n')}
${process.getuid?.() === 0 ? 'User nobody\nGroup nogroup' : ''}
StartServers 1
ServerLimit 1
ThreadsPerChild 32
ThreadLimit 32
MaxRequestWorkers 32
KeepAlive On
MaxKeepAliveRequests 0
Timeout 5
LimitRequestLine 131072
LimitRequestFieldSize 131072
LimitRequestFields 200
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPass / http://127.0.0.1:${backendPort}/ nocanon
`,
    args: (file) => ['-DFOREGROUND', '-f', file],
  },
  {
    name: 'lighttpd',
    binary: 'lighttpd',
    versionArgs: ['-v'],
    config: (port, backendPort, folder) => `
server.modules = ( "mod_proxy" )
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${folder}"
server.errorlog = "${folder}/error.log"
server.upload-dirs = ( "${folder}" )
server.max-keep-alive-requests = 10000
server.max-request-field-size = 131072
server.http-parseopts = ( "method-get-body" => "enable" )
proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${backendPort} ) ) )
`,
    args: (file) => ['-D', '-f', file],
  },
  {
    name: 'varnish',
    binary: 'varnishd',
    versionArgs: ['-V'],
    // Nothing is cached and nothing is piped: every request is looked at and passed on.
    config: (_port, backendPort) => `
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${backendPort}"; }
sub vcl_recv { return (pass); }
# The built-in one drops the body of a GET.
sub vcl_backend_fetch { return (fetch); }
`,
    args: (file, port, folder) => [
      ...['-F', '-n', join(folder, 'work'), '-a', `127.0.0.1:${port}`, '-f', file],
      ...['-s', 'malloc,16m', '-j', 'none', '-T', 'none'],
      ...['-p', 'http_req_size=128k', '-p', 'http_req_hdr_len=128k', '-p', 'http_max_hdr=256'],
      ...['-p', 'workspace_client=512k', '-p', 'workspace_backend=512k'],
      ...['-p', 'thread_pools=1', '-p', 'thread_pool_min=40'],
    ],
  },
];

/** Their names, for tests that are skipped by name; `node` needs nothing. */
export const peerNames: readonly string[] = [...kinds.map(({ name }) => name), 'node'];

export function peerBinary(name: string): string {
  return kinds.find((kind) => kind.name === name)?.binary ?? name;
}

/** Null = not installed. */
export async function startPeer(name: string): Promise<Peer | null> {
  if (name === 'node') return startNodePeer();
  const kind = kinds.find((candidate) => candidate.name === name);
  if (kind === undefined) throw new Error(`no peer '${name}'`);
  const binary = findPeer(kind.binary);
  if (binary === null) return null;
  const backend = await startEchoServer();
  const port = await freePort();
  const folder = mkdtempSync(join(os.tmpdir(), `remora-garden-${name}-`));
  // Workers of some give up root before they open their files.
  chmodSync(folder, 0o777);
  const file = join(folder, 'config');
  writeFileSync(file, kind.config(port, backend.port, folder));
  const child = spawn(binary, kind.args(file, port, folder), { stdio: ['ignore', 'pipe', 'pipe'] });
  // TERM, because some of them have workers to take along.
  const kill = () => child.kill('SIGTERM');
  process.once('exit', kill);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const stop = async () => {
    await ended(child);
    process.off('exit', kill);
    await backend.close();
    rmSync(folder, { recursive: true, force: true });
  };
  if (!(await untilListening(port, child))) {
    await stop();
    throw new Error(`${name} did not start:\n${output}`);
  }
  return { name, version: versionOf(binary, kind.versionArgs), port, backend, stop };
}

async function startNodePeer(): Promise<Peer> {
  const server = await startEchoServer();
  const { port } = server;
  return {
    name: 'node',
    version: process.versions.node,
    port,
    backend: server,
    stop: server.close,
  };
}

/** The first thing like a version in what `-v` prints, on either stream. */
function versionOf(binary: string, args: readonly string[]): string {
  const text = execFileSync('/bin/sh', ['-c', '"$0" "$@" 2>&1', binary, ...args]).toString();
  return /\d+\.\d+(\.\d+)*/.exec(text)?.[0] ?? 'unknown';
}

async function untilListening(port: number, child: ChildProcess): Promise<boolean> {
  const deadlineMs = performance.now() + 15_000;
  while (performance.now() < deadlineMs && child.exitCode === null) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (connected) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** SIGTERM, SIGKILL when that does not help, and waits. */
export function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
