// Parameters of a request's query as Envoy's routes see them: raw text, nothing decoded.

/** What stands between `?` and `#`; '' = no query. */
export function queryOf(path: string): string {
  const start = path.indexOf('?');
  if (start === -1) return '';
  const end = path.indexOf('#', start);
  return end === -1 ? path.slice(start + 1) : path.slice(start + 1, end);
}

/** The value of the first occurrence in `query`, '' if it has none; null = absent. */
export function queryParameter(query: string, name: string): string | null {
  for (let from = 0; from < query.length; ) {
    let to = query.indexOf('&', from);
    if (to === -1) to = query.length;
    if (query.startsWith(name, from)) {
      const after = from + name.length;
      if (after === to) return '';
      if (after < to && query[after] === '=') return query.slice(after + 1, to);
    }
    from = to + 1;
  }
  return null;
}
