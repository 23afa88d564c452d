// A small SVG: cost against size, both axes logarithmic.

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 80;
const RIGHT = 190;
const TOP = 50;
const BOTTOM = 60;
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#57606a'];

/**
 * @param {{ title: string, xLabel: string, yLabel: string, series: { name: string, points: [number, number][], dashed?: boolean }[] }} chart
 * @returns {string} an SVG document
 */
export function plot({ title, xLabel, yLabel, series }) {
  const points = series.flatMap((one) => one.points);
  const x = scale(
    points.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = scale(
    points.map(([, value]) => value),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${LEFT}" y="28" font-size="15" font-weight="bold">${escapeText(title)}</text>`,
  ];
  for (const tick of x.ticks) {
    const at = x.place(tick).toFixed(1);
    parts.push(`<line x1="${at}" y1="${TOP}" x2="${at}" y2="${HEIGHT - BOTTOM}" stroke="#e5e7eb"/>`);
    parts.push(`<text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(tick)}</text>`);
  }
  for (const tick of y.ticks) {
    const at = y.place(tick).toFixed(1);
    parts.push(`<line x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}" stroke="#e5e7eb"/>`);
    parts.push(`<text x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${short(tick)}</text>`);
  }
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 18}" text-anchor="middle">${escapeText(xLabel)}</text>`,
  );
  parts.push(
    `<text transform="translate(20 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`,
  );
  series.forEach(({ name, points: line, dashed }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = line.map(([a, b]) => `${x.place(a).toFixed(1)},${y.place(b).toFixed(1)}`);
    parts.push(
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`,
    );
    for (const point of path) {
      const [cx, cy] = point.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    const legend = TOP + 10 + i * 20;
    parts.push(
      `<line x1="${WIDTH - RIGHT + 14}" y1="${legend}" x2="${WIDTH - RIGHT + 36}" y2="${legend}" stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`,
    );
    parts.push(`<text x="${WIDTH - RIGHT + 42}" y="${legend + 4}">${escapeText(name)}</text>`);
  });
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

function scale(values, from, to) {
  const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { ticks, place: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) };
}

/** 1000 as `1k`, 0.001 as `1m`: SI prefixes. */
export function short(value) {
  for (const [factor, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
    [1e-3, 'm'],
    [1e-6, 'µ'],
    [1e-9, 'n'],
  ]) {
    if (value >= factor * 0.9995) return `${Number((value / factor).toPrecision(3))}${letter}`;
  }
  return String(value);
}

function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
