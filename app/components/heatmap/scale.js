// Scales of pooled values, and percentiles without sorting everything.

// By the rules of figures/scale.py: what is fixed for tokens stays as it is.
function pooledScale(scale, kind, pools, { first }, skip, unit) {
  const fixed = kind === "cosine" || kind === "share" || (kind === "gate" && scale.low === 0 && scale.high === 1);
  if (fixed) return { ...scale, above: 0, below: 0 };
  let values = finite(pools, first, skip);
  const settled = values.length > 0;
  if (!settled) values = finite(pools, first, 0);
  if (!values.length) return scale;
  const low = kind === "gate" ? 0 : percentile(values, 0.01);
  let high = percentile(values, 0.99);
  if (high <= low) high = low + Math.max(Math.abs(low), 1e-6);
  let above = 0;
  for (const pool of pools) for (const value of pool.values) if (value > high && value < Infinity) above++;
  const after = skip && settled ? ` after token ${whole(skip)}` : "";
  const rule = `from ${kind === "gate" ? "0" : "the 1st"} to the 99th percentile of ${unit}s${after}`;
  return { low, high, above, below: 0, rule };
}

// The finite values of all units that begin at token `skip` or later.
function finite(pools, first, skip) {
  const all = new Float32Array(pools.reduce((sum, pool) => sum + pool.values.length, 0));
  let count = 0;
  for (const { values } of pools) {
    for (let u = 0; u < values.length; u++) {
      if (first[u] >= skip && Number.isFinite(values[u])) all[count++] = values[u];
    }
  }
  return all.subarray(0, count);
}

// As numpy's: linear between the two nearest. The order of `values` is changed.
function percentile(values, share) {
  const at = share * (values.length - 1);
  const rank = Math.floor(at);
  select(values, rank);
  let next = Infinity;
  for (let k = rank + 1; k < values.length; k++) if (values[k] < next) next = values[k];
  return at === rank ? values[rank] : values[rank] + (next - values[rank]) * (at - rank);
}

// Move the value of this rank to its place, smaller ones before it and larger ones after it.
function select(values, rank) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) {
        const kept = values[i];
        values[i++] = values[j];
        values[j--] = kept;
      }
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else return;
  }
}
