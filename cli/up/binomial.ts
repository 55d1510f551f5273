// Is an observed share in line with a configured weight?

/** Two-sided 99.9 % quantile of the standard normal distribution. */
const Z_999 = 3.2905;

/** The interval of counts that 99.9 % of binomial(n, p) draws fall in (normal approximation, widened by one). */
export function binomialInterval(
  n: number,
  p: number,
): { readonly low: number; readonly high: number } {
  if (p <= 0) return { low: 0, high: 0 };
  if (p >= 1) return { low: n, high: n };
  const spread = Z_999 * Math.sqrt(n * p * (1 - p)) + 1;
  return { low: Math.max(0, n * p - spread), high: Math.min(n, n * p + spread) };
}
