// Draws docs/dashboard.png: the panels of the dashboard where Grafana places them, with what its queries say of a gateway under mixed traffic.
// Grafana itself is in no registry that a project can count on; its lines are drawn by uPlot here as there.
//
//   npm run dashboard-picture -- [seconds of traffic, 120 unless told]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isOnPath, run } from './lib/command.mjs';
import { closingLine, runTests } from './lib/jest.mjs';
import { installDebianPackages } from './lib/tools.mjs';

const picture = 'docs/dashboard.png';
const size = { width: 1680, row: 34, gap: 6 };

const browsers = ['chromium', 'chromium-browser', 'google-chrome'];
if (!browsers.some(isOnPath)) installDebianPackages(['chromium']);
const browser = browsers.find(isOnPath);
if (browser === undefined) throw new Error(`one of ${browsers.join(', ')} is needed to draw the picture`);

const folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
try {
  const data = join(folder, 'data.json');
  Object.assign(process.env, { DASHBOARD_DATA: data, DASHBOARD_SECONDS: process.argv[2] ?? '120' });
  const tests = runTests(['test/e2e/dashboard.spec.ts']);
  if (!tests.ok) throw new Error(closingLine(tests));
  draw(JSON.parse(readFileSync(data, 'utf8')));
  console.log(`wrote ${picture}`);
} finally {
  rmSync(folder, { recursive: true });
}

function draw(lines) {
  const { panels } = JSON.parse(readFileSync('charts/kubernaut-gateway/files/dashboard.json', 'utf8'));
  const rows = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
  const page = join(folder, 'page.html');
  const uplot = ['uPlot.iife.min.js', 'uPlot.min.css'].map((file) =>
    readFileSync(`node_modules/uplot/dist/${file}`, 'utf8'),
  );
  const values = JSON.stringify({ panels, lines, size }).replaceAll('<', '\\u003c');
  writeFileSync(page, pageOf(uplot, values));
  run(browser, [
    '--headless',
    '--no-sandbox',
    '--hide-scrollbars',
    '--disable-gpu',
    `--window-size=${size.width},${rows * size.row + 60}`,
    `--screenshot=${join(process.cwd(), picture)}`,
    `file://${page}`,
  ]);
}

function pageOf([script, style], values) {
  return `<!doctype html><meta charset="utf-8"><title>kubernaut-gateway</title>
<style>${style}
  body { margin: 0; background: #111217; color: #ccccdc; font: 13px sans-serif; }
  h1 { font-size: 18px; margin: 14px 16px; font-weight: 500; }
  .panel { position: absolute; background: #181b1f; border: 1px solid #2b2e35; border-radius: 2px; box-sizing: border-box; overflow: hidden; }
  .row { border: 0; background: none; font-weight: 600; padding: 8px 10px; }
  .title { padding: 7px 10px 2px; font-weight: 500; }
  .stat { font-size: 34px; font-weight: 600; text-align: center; padding-top: 22px; }
  .legend { position: absolute; bottom: 6px; left: 10px; right: 8px; font-size: 11px; max-height: 28px; overflow: hidden; line-height: 14px; }
  .legend span { margin-right: 10px; white-space: nowrap; }
  .legend i { display: inline-block; width: 12px; height: 3px; margin: 0 4px 3px 0; }
</style><h1>kubernaut-gateway</h1><div id="grid" style="position: relative"></div>
<script>${script}</script><script>(${drawPage})(${values});</script>`;
}

/* global document, uPlot */
/** Runs in the browser. */
function drawPage({ panels, lines, size }) {
  const results = new Map(lines);
  const colours = [
    '#73bf69',
    '#f2cc0c',
    '#8ab8ff',
    '#ff780a',
    '#f2495c',
    '#5794f2',
    '#b877d9',
    '#37872d',
    '#fade2a',
    '#c4162a',
  ];
  const column = (size.width - 16) / 24;
  const element = (parent, name, text = '') => {
    const one = parent.appendChild(document.createElement('div'));
    one.className = name;
    one.textContent = text;
    return one;
  };
  for (const { type, title, gridPos, targets = [], fieldConfig } of panels) {
    const box = element(document.getElementById('grid'), `panel ${type === 'row' ? 'row' : ''}`);
    const [width, height] = [gridPos.w * column - size.gap, gridPos.h * size.row - size.gap];
    Object.assign(box.style, {
      left: `${gridPos.x * column + 8}px`,
      top: `${gridPos.y * size.row}px`,
      width: `${width}px`,
      height: `${height}px`,
    });
    element(box, type === 'row' ? '' : 'title', type === 'row' ? `⌄ ${title}` : title);
    if (type === 'stat') stat(box, results.get(targets[0].expr)[0].values, fieldConfig.defaults);
    if (type === 'timeseries') series(box, targets, fieldConfig.defaults, width, height);
  }

  function formatted(value, unit, decimals) {
    if (unit === 'percentunit') return `${(value * 100).toFixed(decimals ?? 0)} %`;
    if (unit === 'bytes') return `${(value / 2 ** 20).toFixed(0)} MiB`;
    if (unit === 's' && value < 1)
      return value === 0 ? '0' : `${(value * 1000).toPrecision(3).replace(/\.?0+$/, '')} ms`;
    return `${Number(value.toFixed(decimals ?? 2))}${unit === 's' ? ' s' : ''}`;
  }

  function stat(box, values, { unit, decimals, thresholds }) {
    const value = Number(values.findLast(([, text]) => text !== 'NaN')[1]);
    const { color } = thresholds.steps.findLast((step) => step.value === null || value >= step.value);
    element(box, 'stat', formatted(value, unit, decimals)).style.color = {
      green: '#73bf69',
      yellow: '#f2cc0c',
      red: '#f2495c',
    }[color];
  }

  function series(box, targets, { unit, custom }, width, height) {
    const all = targets.flatMap(({ expr, legendFormat }) =>
      results.get(expr).map(({ metric, values }) => ({
        label: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, name) => metric[name] ?? ''),
        values: new Map(values.map(([time, text]) => [time, Number.isFinite(Number(text)) ? Number(text) : null])),
      })),
    );
    const times = [...new Set(all.flatMap(({ values }) => [...values.keys()]))].sort((a, b) => a - b);
    const data = [times, ...all.map(({ values }) => times.map((time) => values.get(time) ?? null))];
    const axis = {
      stroke: '#9a9aa5',
      grid: { stroke: '#24272d', width: 1 },
      ticks: { show: false },
      font: '11px sans-serif',
    };
    const plot = element(box, '');
    new uPlot(
      {
        width: width - 10,
        height: height - 66,
        legend: { show: false },
        cursor: { show: false },
        axes: [
          axis,
          {
            ...axis,
            size: 62,
            values: (_, splits) => splits.map((value) => formatted(value, unit)),
            ...(custom.axisLabel ? { label: custom.axisLabel, labelFont: '11px sans-serif', labelSize: 18 } : {}),
          },
        ],
        scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
        series: [
          {},
          ...all.map(({ label }, i) => ({
            label,
            stroke: colours[i % colours.length],
            fill: colours[i % colours.length] + '14',
            width: 1.5,
            points: { show: false },
          })),
        ],
      },
      data,
      plot,
    );
    const legend = element(box, 'legend');
    all.forEach(({ label }, i) => {
      const item = legend.appendChild(document.createElement('span'));
      item.appendChild(document.createElement('i')).style.background = colours[i % colours.length];
      item.append(label);
    });
  }
}
