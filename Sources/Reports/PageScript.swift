extension Report {
  /// The page's script: the theme's switch, runs shown and hidden, and values below the pointer or,
  /// by arrow keys, below a cursor. Without it the page has all its plots and tables.
  static let script = #"""

    "use strict";
    (() => {
      const root = document.documentElement;
      const theme = document.getElementById("theme");
      const system = matchMedia("(prefers-color-scheme: dark)");
      const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
      const showTheme = () => {
        theme.textContent = isDark() ? "Light" : "Dark";
        theme.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
      };
      theme.removeAttribute("aria-pressed");
      theme.addEventListener("click", () => {
        root.dataset.theme = isDark() ? "light" : "dark";
        showTheme();
      });
      system.addEventListener("change", showTheme);
      showTheme();

      const hidden = new Set();
      for (const button of document.querySelectorAll("[data-run]")) {
        button.addEventListener("click", () => {
          const run = Number(button.dataset.run);
          const hide = !hidden.delete(run);
          if (hide) hidden.add(run);
          button.setAttribute("aria-pressed", String(!hide));
          for (const shape of document.querySelectorAll(".run-" + run)) {
            shape.style.display = hide ? "none" : "";
          }
        });
      }

      const spoken = document.getElementById("spoken");
      const number = (value) => value.toLocaleString(
        "en", Number.isInteger(value) ? {} : {maximumSignificantDigits: 5});
      const short = (value) => Math.abs(value) < 0.001 && value !== 0
        ? String(Number(value.toPrecision(5))) : number(value);

      // The index of the number nearest to `x` in a sorted list.
      const nearest = (list, x) => {
        let low = 0, high = list.length - 1;
        while (high - low > 1) {
          const middle = (low + high) >> 1;
          if (list[middle] < x) low = middle; else high = middle;
        }
        return Math.abs(list[high] - x) < Math.abs(list[low] - x) ? high : low;
      };

      const watch = (canvas, plot) => {
        const svg = canvas.querySelector("svg");
        const curves = svg.querySelector(".curves");
        const x0 = Number(curves.dataset.x0), x1 = Number(curves.dataset.x1);
        const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
        cursor.setAttribute("class", "cursor");
        cursor.setAttribute("y1", "0");
        cursor.setAttribute("y2", svg.getAttribute("height"));
        cursor.style.display = "none";
        svg.append(cursor);
        const tip = document.createElement("div");
        tip.className = "tip";
        tip.hidden = true;
        canvas.append(tip);
        let at = null;

        const visible = () => plot.curves.filter((curve) => !hidden.has(curve.run));
        const longest = () => visible().reduce(
          (best, curve) => curve.x.length > best.length ? curve.x : best, []);

        const show = (x) => {
          const shown = visible();
          if (shown.length === 0) return hide();
          const found = shown.map((curve) => nearest(curve.x, x));
          at = shown.map((curve, i) => curve.x[found[i]])
            .reduce((best, own) => Math.abs(own - x) < Math.abs(best - x) ? own : best);
          const share = (at - x0) / (x1 - x0);
          for (const end of ["x1", "x2"]) cursor.setAttribute(end, 100 * share + "%");
          cursor.style.display = "";
          tip.replaceChildren();
          const head = document.createElement("div");
          head.textContent = plot.xTitle + " " + number(at);
          tip.append(head);
          shown.forEach((curve, i) => {
            const row = document.createElement("div");
            const swatch = document.createElement("i");
            swatch.className = "color-" + curve.color;
            const name = document.createElement("span");
            const own = curve.x[found[i]];
            name.textContent = own === at ? curve.name : curve.name + " (" + number(own) + ")";
            const value = document.createElement("b");
            value.textContent = short(curve.y[found[i]]);
            row.append(swatch, name, value);
            tip.append(row);
          });
          tip.hidden = false;
          const left = svg.getBoundingClientRect().left - canvas.getBoundingClientRect().left
            + share * svg.clientWidth;
          if (share < 0.5) {
            tip.style.left = left + 10 + "px";
            tip.style.right = "auto";
          } else {
            tip.style.left = "auto";
            tip.style.right = canvas.clientWidth - left + 10 + "px";
          }
        };
        const hide = () => {
          at = null;
          tip.hidden = true;
          cursor.style.display = "none";
        };

        canvas.addEventListener("pointermove", (event) => {
          const box = svg.getBoundingClientRect();
          show(x0 + (event.clientX - box.left) / box.width * (x1 - x0));
        });
        canvas.addEventListener("pointerleave", hide);
        canvas.addEventListener("blur", hide);
        canvas.addEventListener("keydown", (event) => {
          const list = longest();
          if (list.length === 0) return;
          const now = at === null ? -1 : nearest(list, at);
          const targets = {
            ArrowLeft: Math.max(0, now - 1), ArrowRight: Math.min(list.length - 1, now + 1),
            Home: 0, End: list.length - 1,
          };
          if (event.key === "Escape") return hide();
          if (!(event.key in targets)) return;
          event.preventDefault();
          show(list[targets[event.key]]);
          spoken.textContent = [...tip.children].map((row) => row.innerText.replace("\n", " "))
            .join(", ");
        });
      };

      const data = JSON.parse(document.getElementById("data").textContent);
      for (const canvas of document.querySelectorAll(".canvas")) {
        watch(canvas, data[canvas.dataset.plot]);
      }
    })();

    """#
}
