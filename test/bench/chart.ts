/** The README's chart: the whole way beside peers in the app's process. */
import { type Figures, finder } from './part.js';
import { fifty, fiveHundred, many } from './path.js';
import { labels } from './readme.js';
import type { Results } from './run-parts.js';
import { machineLine, number } from './table.js';

const groups = [fifty, fiveHundred, many];
const senders = Object.keys(labels);
const colours = ['#0a7d4f', '#8a94a0', '#bcc3ca'];

const panels: { title: string; key: keyof Figures; x: number }[] = [
  { title: 'notifications a second: more is better', key: 'perSecond', x: 200 },
  { title: 'CPU, µs for each: less is better', key: 'cpuMs', x: 560 },
];
const width = 900;
const longest = 270;
const bar = 17;
const groupHeight = senders.length * bar + 32;
const top = 56;
const height = top + groups.length * groupHeight + 30;

export function chartOf(results: Results): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="sans-serif" font-size="12" fill="#1c2630">
<title>apnsd beside other senders</title>
<rect width="${width}" height="${height}" rx="8" fill="#ffffff"/>
${panels.map((panel) => drawPanel(results, panel)).join('\n')}
${text(16, height - 14, machineLine(results), 'fill="#5b6670" font-size="10"')}
</svg>
`;
}

function drawPanel({ rows }: Results, { title, key, x }: (typeof panels)[0]): string {
  const found = finder(rows);
  const figure = (what: string, who: string) => found(what, who)[key];
  const most = Math.max(...groups.flatMap((what) => senders.map((who) => figure(what, who))));
  const drawn = groups.map((what, group) => {
    const y = top + group * groupHeight;
    const bars = senders.map((who, index) => {
      const length = (figure(what, who) / most) * longest;
      const at = y + 12 + index * bar;
      const name =
        x === panels[0]?.x ? text(x - 8, at + 11, labels[who] ?? '', 'text-anchor="end"') : '';
      const rect = `<rect x="${x}" y="${at}" width="${length.toFixed(1)}" height="${bar - 4}" fill="${colours[index]}"/>`;
      return `${name}${rect}${text(x + length + 6, at + 11, number(figure(what, who)))}`;
    });
    return [text(x, y + 5, what, 'font-weight="bold"'), ...bars].join('\n');
  });
  return [text(x, 24, title, 'font-size="14"'), ...drawn].join('\n');
}

function text(x: number, y: number, content: string, style = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" ${style}>${escaped}</text>`;
}
