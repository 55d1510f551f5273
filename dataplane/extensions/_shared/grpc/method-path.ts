// Service and method in a gRPC request's path. Read by the filters that count calls by method.

/** `/package.Service/Method` taken apart. */
export interface MethodPath {
  readonly service: string;
  readonly method: string;
}

/** Null when the path does not have exactly two parts. A query is no part of it. */
export function parseMethodPath(path: string): MethodPath | null {
  const query = path.indexOf('?');
  const end = query === -1 ? path.length : query;
  // Envoy takes several slashes as one, and one behind the method.
  const serviceAt = skipSlashes(path, 0, end);
  const serviceEnd = nextSlash(path, serviceAt, end);
  const methodAt = skipSlashes(path, serviceEnd, end);
  const methodEnd = nextSlash(path, methodAt, end);
  if (methodAt === end || skipSlashes(path, methodEnd, end) !== end) return null;
  return { service: path.slice(serviceAt, serviceEnd), method: path.slice(methodAt, methodEnd) };
}

function skipSlashes(path: string, from: number, end: number): number {
  let at = from;
  while (at < end && path.charCodeAt(at) === 0x2f) at++;
  return at;
}

function nextSlash(path: string, from: number, end: number): number {
  let at = from;
  while (at < end && path.charCodeAt(at) !== 0x2f) at++;
  return at;
}
