/** When most of many clients have left and the others stay: the moment to give memory back. Sooner, what the last ones
 *  still have would keep much of it, since it lies between what the others had. */

/** So many leave enough behind to be worth a collection of garbage: it also has V8 compile anew what was made for objects
 *  of which none was left. */
const MANY_CLIENTS = 1000;
/** In a second. */
const FEW_CLIENTS = 10;
/** So many times fewer are left. */
const FEWER_TIMES = 4;

export class Exodus {
  /** Clients that have come in this second. */
  came = 0;
  /** At the end of the second before. */
  private before = 0;
  /** Most that a second has ended with since the last exodus. */
  private most = 0;

  /** A second is over, and so many clients are there: whether it was the last of an exodus. */
  isOver(clients: number): boolean {
    const left = this.before + this.came - clients;
    const isQuiet = this.came <= FEW_CLIENTS && left <= FEW_CLIENTS;
    this.came = 0;
    this.before = clients;
    this.most = Math.max(this.most, clients);
    if (!isQuiet || this.most < MANY_CLIENTS || this.most < FEWER_TIMES * clients) return false;
    this.most = clients;
    return true;
  }
}
