// The function table. Only the rows in view are elements; they are used again while scrolling.

const TABLE_ROW = 24;

class FunctionView {
  constructor(element, context, onOpen) {
    this.element = element;
    this.context = context;
    this.onOpen = onOpen;
    this.order = new Int32Array(0);
    this.sortKey = 'self';
    this.descending = true;
    this.current = -1;
    this.pool = [];
    element.addEventListener('scroll', () => this.draw());
    element.addEventListener('keydown', (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(element);
  }

  columns() {
    const { table, diff } = this;
    const share = (values, whole) => ({ get: (f) => values[f], whole, share: true });
    const value = (values, whole) => ({ get: (f) => values[f], whole });
    const { total, baseTotal } = this.context.wholes;
    const list = [
      { key: 'name', title: 'Function' },
      { key: 'module', title: 'Module' },
    ];
    if (!diff) {
      list.push(
        { key: 'self', title: 'Self', ...value(table.self, total) },
        { key: 'selfShare', title: 'Self %', ...share(table.self, total) },
        { key: 'total', title: 'Total', ...value(table.total, total) },
        { key: 'totalShare', title: 'Total %', ...share(table.total, total) },
      );
      return list;
    }
    const change = (now, old) => ({ get: (f) => now[f] - old[f], change: true });
    list.push(
      { key: 'baseSelf', title: 'Self, old', ...value(table.baseSelf, baseTotal) },
      { key: 'self', title: 'Self, new', ...value(table.self, total) },
      { key: 'selfChange', title: 'Self change', ...change(table.self, table.baseSelf) },
      { key: 'baseTotal', title: 'Total, old', ...value(table.baseTotal, baseTotal) },
      { key: 'total', title: 'Total, new', ...value(table.total, total) },
      { key: 'totalChange', title: 'Total change', ...change(table.total, table.baseTotal) },
    );
    return list;
  }

  show(table, functions, diff) {
    this.table = table;
    this.functions = functions;
    this.diff = diff;
    this.list = this.columns();
    this.element.classList.toggle('diff', diff);
    this.element.replaceChildren();
    this.head = document.createElement('div');
    this.head.className = 'table-row table-head';
    this.head.setAttribute('role', 'row');
    for (const column of this.list) this.head.append(this.headCell(column));
    this.body = document.createElement('div');
    this.body.className = 'table-body';
    this.body.setAttribute('role', 'rowgroup');
    this.empty = document.createElement('div');
    this.empty.className = 'table-empty';
    this.empty.textContent = 'No function matches the search.';
    this.element.append(this.head, this.body, this.empty);
    this.pool = [];
    this.refresh();
  }

  headCell(column) {
    const cell = document.createElement('div');
    cell.setAttribute('role', 'columnheader');
    cell.dataset.key = column.key;
    if (column.get) cell.className = 'number';
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = column.title;
    button.addEventListener('click', () => this.sortBy(column.key));
    cell.append(button);
    return cell;
  }

  sortBy(key, descending) {
    const flip = key === this.sortKey ? !this.descending : key !== 'name' && key !== 'module';
    this.descending = descending === undefined ? flip : descending;
    this.sortKey = key;
    this.refresh();
  }

  // Filter by the search and sort; ties by name, then by id.
  refresh() {
    if (!this.table) return;
    const { search, names, frames } = this.context;
    const { firstFrame } = this.functions;
    const rows = search.active
      ? this.table.present.filter((f) => search.matches(firstFrame[f]))
      : this.table.present.slice();
    const column = this.list.find((c) => c.key === this.sortKey);
    const textOf = (f) =>
      names[(column.key === 'module' ? frames.module : frames.name)[firstFrame[f]]];
    const nameOf = (f) => names[frames.name[firstFrame[f]]];
    const compareText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    const sign = this.descending ? -1 : 1;
    rows.sort(
      column.get
        ? (a, b) =>
            sign * (column.get(a) - column.get(b)) || compareText(nameOf(a), nameOf(b)) || a - b
        : (a, b) => sign * compareText(textOf(a), textOf(b)) || a - b,
    );
    this.order = rows;
    this.current = -1;
    for (const cell of this.head.children) {
      const sorted = cell.dataset.key === this.sortKey;
      cell.setAttribute(
        'aria-sort',
        sorted ? (this.descending ? 'descending' : 'ascending') : 'none',
      );
    }
    this.element.setAttribute('aria-rowcount', String(rows.length + 1));
    this.body.style.height = `${rows.length * TABLE_ROW}px`;
    this.empty.hidden = rows.length > 0;
    this.element.scrollTop = 0;
    this.draw();
  }

  draw() {
    if (!this.table || this.element.clientHeight === 0) return;
    const first = Math.max(0, Math.floor(this.element.scrollTop / TABLE_ROW) - 4);
    const count = Math.min(
      this.order.length - first,
      Math.ceil(this.element.clientHeight / TABLE_ROW) + 8,
    );
    while (this.pool.length < count) this.pool.push(this.newRow());
    for (let i = 0; i < this.pool.length; i++) {
      const row = this.pool[i];
      row.element.hidden = i >= count;
      if (i < count) this.fillRow(row, first + i);
    }
  }

  newRow() {
    const element = document.createElement('div');
    element.className = 'table-row';
    element.setAttribute('role', 'row');
    const cells = this.list.map((column) => {
      const cell = document.createElement('div');
      cell.setAttribute('role', 'cell');
      cell.className = column.get ? 'number' : column.key;
      if (column.get && column.whole !== undefined && !column.share) cell.classList.add('bar');
      element.append(cell);
      return cell;
    });
    const chip = document.createElement('i');
    const text = document.createElement('span');
    cells[0].append(chip, text);
    const row = { element, cells, chip, text, index: -1 };
    element.addEventListener('click', () => {
      this.setCurrent(row.index);
      this.onOpen(this.order[row.index]);
    });
    this.body.append(element);
    return row;
  }

  fillRow(row, index) {
    const f = this.order[index];
    const frame = this.functions.firstFrame[f];
    const { context, table } = this;
    row.index = index;
    row.element.style.top = `${index * TABLE_ROW}px`;
    row.element.setAttribute('aria-rowindex', String(index + 2));
    row.element.classList.toggle('current', index === this.current);
    row.text.textContent = context.text.short(frame);
    row.cells[0].title = context.text.name(frame);
    row.chip.style.background = this.diff
      ? context.colors.ofChange(table.total[f], table.baseTotal[f]).css[0]
      : context.colors.ofFrame(frame).css[0];
    this.list.forEach((column, c) => {
      const cell = row.cells[c];
      if (column.key === 'name') return;
      if (column.key === 'module') {
        const module = context.text.module(frame);
        cell.textContent = baseName(module);
        cell.title = module;
        return;
      }
      const value = column.get(f);
      if (column.change) cell.textContent = formatChange(value, context.unit);
      else if (column.share) cell.textContent = formatShare(shareOf(value, column.whole));
      else {
        cell.textContent = formatValue(value, context.unit);
        const share = Math.max(0, Math.min(1, shareOf(value, column.whole)));
        cell.style.backgroundSize = `${(share * 100).toFixed(1)}% 18px`;
      }
    });
  }

  setCurrent(index) {
    this.current = Math.max(0, Math.min(this.order.length - 1, index));
    const y = this.current * TABLE_ROW;
    const room = this.element.clientHeight - this.head.offsetHeight - TABLE_ROW;
    if (y < this.element.scrollTop) this.element.scrollTop = y;
    else if (y > this.element.scrollTop + room) this.element.scrollTop = y - room;
    this.draw();
  }

  key(event) {
    if (event.target !== this.element || this.order.length === 0) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / TABLE_ROW) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[event.key];
    if (step !== undefined) this.setCurrent(this.current + step);
    else if (event.key === 'Home') this.setCurrent(0);
    else if (event.key === 'End') this.setCurrent(this.order.length - 1);
    else if (event.key === 'Enter' && this.current >= 0) this.onOpen(this.order[this.current]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key !== 'Enter' && this.current >= 0) {
      const frame = this.functions.firstFrame[this.order[this.current]];
      const f = this.order[this.current];
      this.context.announce(
        `${this.context.text.short(frame)}, self ` +
          `${formatValue(this.table.self[f], this.context.unit)}, total ` +
          `${formatValue(this.table.total[f], this.context.unit)}`,
      );
    }
  }
}
