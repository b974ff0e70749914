/*
 * Coin plus decision, with abstract counts: n = 4, f = 1, one open slot, the anchors of its residue class one after the other.
 *
 * An anchor's round q: honest members make their blocks of q + 1, each linking at least Q of the four blocks of q, which ones
 * the scheduler decides; one of the three may be slow, and then jumps over rounds for ever or comes late. With its block of
 * q + 2 a member releases its share; the malicious one at any time, or never. With n - f shares the coin falls on an author.
 * Authors with at least f + 1 links among honest blocks of q + 1 are *bound* to commit: every block of q + 2 has one of those
 * among its n - f parents, so supports them, so every block of q + 3 certifies them (nobody has twins at q here; consensus.md
 * has the count with twins). A bound leader decides the slot; any other passes it to the next anchor.
 *
 * Safety, for every schedule: when the coin falls, at least two authors are bound, and nothing that comes later can unbind
 * them; the slot is decided once. Liveness, under weak fairness: the slot is decided. The coin is fair: since half of the
 * authors are bound before anybody knows it, it does not miss for ever (here: not more than UNLUCKY times in a row).
 *
 *   -DEARLY        control: shares leave with the block of q itself, before anything is bound. Breaks the assertion.
 *   -DPREDICTABLE  control: anchors go round-robin, perfectly fair and known in advance. The scheduler has everybody leave out
 *                  the next one for ever: no decision, although nothing else changed.
 */
#define N 4
#define F 1
#define Q (N - F)
#ifndef UNLUCKY
#define UNLUCKY 3
#endif
#ifdef EARLY
#define RELEASE 0
#else
#define RELEASE 2
#endif

byte reached[3];      /* rounds above q at which each honest member has made a block */
byte links[4];        /* links to each author's block of q, among honest blocks of q + 1 */
byte shares;
byte honestShares;
bool released[4];
bool isTossed;
byte leader;
byte unlucky;
byte decided;

#define isBound(a) (links[a] >= F + 1)
#define boundNow (isBound(0) + isBound(1) + isBound(2) + isBound(3))
/* Blocks of a round a member can build on: the malicious one fills in, so Q - F honest ones must be there. */
#define isReady(me) ((reached[0] >= reached[me]) + (reached[1] >= reached[me]) + (reached[2] >= reached[me]) + F >= Q)

inline link()
{
  if
  :: links[0]++; links[1]++; links[2]++
  :: links[0]++; links[1]++; links[3]++
  :: links[0]++; links[2]++; links[3]++
  :: links[1]++; links[2]++; links[3]++
  :: links[0]++; links[1]++; links[2]++; links[3]++
  fi
}

proctype Honest(byte me)
{
  do
  :: decided > 0 -> break
  :: atomic { decided == 0 && !isTossed && reached[me] == 0 && isReady(me) -> link(); reached[me] = 1 }
  :: atomic { decided == 0 && !isTossed && reached[me] > 0 && reached[me] < 4 && isReady(me) -> reached[me]++ }
  /* Two others are ahead: it may jump after them, and then never makes a block of q + 1. */
  :: atomic { decided == 0 && !isTossed && reached[me] == 0 &&
       (reached[0] >= 2) + (reached[1] >= 2) + (reached[2] >= 2) + F >= Q -> reached[me] = 2 }
  :: atomic { decided == 0 && !isTossed && reached[me] >= RELEASE && !released[me] ->
       released[me] = true; shares++; honestShares++ }
  od
}

/* Its share comes at any time, or never. */
proctype Malicious()
{
  do
  :: decided > 0 -> break
  :: atomic { decided == 0 && !isTossed && !released[3] -> released[3] = true; shares++ }
  :: true -> break
  od
}

/* Combines the coin and reads the anchor. */
proctype Committer()
{
  do
  :: decided > 0 -> break
  :: atomic { decided == 0 && !isTossed && shares >= Q ->
       assert(honestShares >= N - 2 * F);
       assert(boundNow >= 2);
#ifdef PREDICTABLE
       leader = (leader + 1) % N;
#else
       if
       :: leader = 0 :: leader = 1 :: leader = 2 :: leader = 3
       fi;
       if
       :: isBound(leader) -> unlucky = 0
       :: !isBound(leader) && unlucky < UNLUCKY -> unlucky++
       :: !isBound(leader) && unlucky >= UNLUCKY ->
            if
            :: isBound(0) -> leader = 0
            :: isBound(1) -> leader = 1
            :: isBound(2) -> leader = 2
            :: isBound(3) -> leader = 3
            fi;
            unlucky = 0
       fi;
#endif
       isTossed = true }
  :: atomic { decided == 0 && isTossed && isBound(leader) -> decided++; assert(decided == 1) }
  /* The next anchor of the class, from the beginning. */
  :: d_step { decided == 0 && isTossed && !isBound(leader) ->
       isTossed = false; shares = 0; honestShares = 0;
       links[0] = 0; links[1] = 0; links[2] = 0; links[3] = 0;
       reached[0] = 0; reached[1] = 0; reached[2] = 0;
       released[0] = false; released[1] = false; released[2] = false; released[3] = false }
  od
}

init { atomic { run Honest(0); run Honest(1); run Honest(2); run Malicious(); run Committer() } }

ltl live { <> (decided == 1) }
