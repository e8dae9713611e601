extension Report {
  /// The page's style sheet. Colours are variables, so that light, dark and print differ in nothing
  /// else; texts reach a contrast of 4.5 to 1, lines and bars of 3 to 1.
  static let style = #"""

    :root{--page:#fff;--panel:#f6f7f9;--line:#d5d9e0;--text:#1a1d21;--muted:#555e6b;--link:#0b5cad;
    --mark:#fff3cd;--good:#0b6b3a;--warn:#8a4b00;\#(Palette.variables(Palette.light))}
    @media (prefers-color-scheme:dark){:root:not([data-theme=light]){\#(darkVariables)}}
    :root[data-theme=dark]{\#(darkVariables)}
    :root[data-theme=light]{color-scheme:light}
    \#(Palette.rules)
    .neutral{--color:var(--muted)}
    *{box-sizing:border-box}
    html{scroll-padding-top:56px}
    body{margin:0;background:var(--page);color:var(--text);
    font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
    header,main{max-width:1280px;margin:0 auto;padding:0 20px}
    header{padding-top:20px}
    h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
    h2{font-size:19px;margin:0 0 4px}
    h3{font-size:15px;margin:0;overflow-wrap:anywhere}
    section{padding:20px 0 8px;border-top:1px solid var(--line);margin-top:20px}
    .lead,.note,.path{color:var(--muted);margin:0 0 12px;max-width:80ch}
    .note{border-left:3px solid var(--warn);padding-left:10px;margin-top:10px;overflow-wrap:anywhere}
    .path{font-size:13px;overflow-wrap:anywhere;margin:10px 0 0}
    a{color:var(--link)}
    .bar-line{display:flex;gap:16px;justify-content:space-between;align-items:start}
    button{font:inherit;color:var(--text);background:var(--panel);border:1px solid var(--line);
    border-radius:6px;padding:3px 12px;cursor:pointer}
    button[aria-pressed=false][data-run]{opacity:.55;text-decoration:line-through}
    :focus-visible{outline:2px solid var(--link);outline-offset:2px}
    .runs,.legend{list-style:none;margin:12px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:6px 14px}
    .runs{position:sticky;top:0;z-index:2;background:var(--page);max-width:1280px;margin:8px auto 0;
    padding:8px 20px;max-height:40vh;overflow-y:auto}
    .runs button{display:inline-flex;gap:8px;align-items:center;overflow-wrap:anywhere;text-align:left}
    .legend{margin:0;font-size:13px;color:var(--muted)}
    .legend li{display:flex;gap:6px;align-items:center}
    .swatch{flex:none;margin-right:6px;vertical-align:-1px}
    .runs .swatch{margin:0}
    nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:14px;font-size:14px}
    .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(260px,100%),1fr));gap:16px;
    margin-top:12px}
    .card,.panel,.plot{background:var(--panel);border:1px solid var(--line);border-radius:8px;
    padding:14px 16px;margin:0;min-width:0}
    .state{margin:6px 0 10px;display:flex;flex-wrap:wrap;gap:6px}
    .badge{font-size:13px;border:1px solid currentColor;border-radius:99px;padding:0 9px;
    overflow-wrap:anywhere}
    .finished,.best.badge{color:var(--good)}
    .running{color:var(--link)}
    .stopped{color:var(--warn)}
    dl{margin:0;display:grid;gap:2px 24px}
    .one dl{grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr))}
    dl div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px dotted var(--line)}
    dt{color:var(--muted)}
    dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
    .plots{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(480px,100%),1fr))}
    .plots.small{grid-template-columns:repeat(auto-fill,minmax(min(280px,100%),1fr))}
    figcaption{display:flex;flex-wrap:wrap;gap:4px 16px;justify-content:space-between;
    align-items:baseline;margin-bottom:6px}
    .canvas{position:relative;padding:8px 14px 40px 46px;touch-action:pan-y}
    .canvas>svg{display:block;overflow:visible}
    .axis line{stroke:var(--line);stroke-width:1}
    .axis text{fill:var(--muted);font-size:12px;font-variant-numeric:tabular-nums}
    .axis .y{text-anchor:end}
    .axis .x{text-anchor:middle}
    .axis .title{text-anchor:end}
    .curve{fill:none;stroke:var(--color);stroke-width:2;vector-effect:non-scaling-stroke;
    stroke-linejoin:round}
    .curve.faint{stroke-width:1;opacity:.3}
    .curve.marked{stroke-dasharray:5 3;stroke-width:1.6}
    .band{fill:var(--color);opacity:.16;stroke:none}
    .mark{fill:var(--panel);stroke:var(--color);stroke-width:1.8}
    .ring{fill:none;stroke:var(--color);stroke-width:2}
    .cursor{stroke:var(--muted);stroke-width:1}
    .tip{position:absolute;top:0;pointer-events:none;background:var(--page);color:var(--text);
    border:1px solid var(--muted);border-radius:6px;padding:5px 9px;font-size:13px;line-height:1.4;
    max-width:75%;z-index:1;box-shadow:0 2px 8px #0003}
    .tip div{display:flex;gap:6px;align-items:baseline}
    .tip b{font-variant-numeric:tabular-nums;margin-left:auto;padding-left:8px;white-space:nowrap}
    .tip i{flex:none;width:9px;height:9px;border-radius:2px;background:var(--color)}
    .fill{fill:var(--color)}
    .track{fill:var(--line);opacity:.55}
    .part{stroke:var(--panel);stroke-width:1}
    .phase-0{fill:var(--color-5)}.phase-1{fill:var(--color-0)}.phase-2{fill:var(--color-3)}
    .phase-3{fill:var(--color-1)}.phase-4{fill:var(--color-2)}.phase-5{fill:var(--color-4)}
    .bar{display:block;border-radius:3px}
    .scroll{overflow-x:auto;margin:0 0 14px}
    .tables{display:grid;gap:8px 24px;grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr))}
    table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
    caption{text-align:left;font-weight:600;padding:8px 0 4px}
    caption span{display:block;position:sticky;left:0;width:max-content;max-width:min(calc(100vw - 48px),120ch)}
    #events td,#events tbody th{white-space:nowrap}
    th,td{padding:4px 14px 4px 0;text-align:right;vertical-align:middle;
    border-bottom:1px solid var(--line)}
    thead th{color:var(--muted);font-weight:600;vertical-align:bottom}
    th:first-child{text-align:left}
    tbody th{font-weight:400}
    tr.best{background:var(--mark)}
    tr.best th{font-weight:700}
    tr.different{background:var(--mark)}
    .measure{display:flex;gap:8px;align-items:center;min-width:90px}
    .measure .bar{flex:1 1 40px;min-width:30px}
    .wide{display:block;min-width:140px}
    .line{display:block;white-space:nowrap}
    #labels tbody th span{display:inline-block;max-width:min(220px,30vw);overflow-wrap:break-word}
    #evaluations tbody th{white-space:nowrap}
    #speed tbody th{min-width:96px}
    .plots>#plot-loss{grid-column:1/-1}
    .plots+.panel{margin-top:16px}
    #configuration td,#hashes td,#configuration thead th,#hashes thead th,#events td:nth-child(-n+3),
    #events thead th:nth-child(-n+3){text-align:left}
    #configuration table,#hashes table{width:auto}
    .value{overflow-wrap:anywhere;display:inline-block;max-width:64ch}
    code{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace}
    details{font-size:13px}
    summary{color:var(--muted);cursor:pointer;width:max-content}
    .hidden,.skip:not(:focus){position:absolute;width:1px;height:1px;overflow:hidden;
    clip-path:inset(50%);white-space:nowrap}
    @media (max-width:600px){header,main,.runs{padding-left:12px;padding-right:12px}
    .card,.panel,.plot{padding:10px}.measure{flex-direction:column;align-items:stretch;gap:0;
    min-width:60px;margin-bottom:4px}.measure .bar{flex:none}th,td{padding-right:10px}}
    @media print{:root:root:root{--page:#fff;--panel:#fff;--line:#bbb;--text:#000;--muted:#333;
    --mark:#eee;\#(Palette.variables(Palette.light))}button#theme,nav,details,.skip{display:none}
    .plot,.card,tr{break-inside:avoid}body{font-size:12px}.scroll{overflow:visible}
    *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}

    """#

  private static let darkVariables =
    "color-scheme:dark;--page:#121418;--panel:#1b1e24;--line:#383e48;--text:#e9ebee;--muted:#a8b0bb;"
    + "--link:#7db8f5;--mark:#3a3215;--good:#5ed69a;--warn:#f0b060;"
    + Palette.variables(Palette.dark)
}
