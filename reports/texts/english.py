"""The report's texts in English. korean.py has the same keys; translations.py joins them."""

TEXTS = {
    "title": "Search for the setting that removes the blur",
    "study": "Study",
    "so_far": "The search is running: this is how it stands so far.",
    "progress": "{count} {state}",
    "progress_none": "no trials yet",
    "progress_finals": "{count} runs of finalists",
    "progress_of": "of {budget} trials",
    "decide_wait": "Not decided yet: no trial has been completed",
    "decide_failed": "No decision: every trial failed or was stopped",
    "decide_leads": "Not decided yet: {one} leads after {done} of {budget} trials",
    "decide_leads_as_is": "{one} leads",
    "decide_try": "Try {one}: it leads, but nothing has confirmed it yet",
    "decide_use_removes": "Use {one}: it removes the blur",
    "decide_use_perhaps": "Use {one}: it is sharper than the recommended setting, but whether it"
    " removes the blur is not certain",
    "decide_use_below": "Use {one}: it is sharper than the recommended setting, but does not remove"
    " the blur",
    "decide_use_unknown": "Use {one}: it is sharper than the recommended setting",
    "decide_use_own_above": "Use {one}: it is better than the recommended setting and than the"
    " picture returned unchanged",
    "decide_use_own_perhaps": "Use {one}: it is better than the recommended setting, but perhaps"
    " not than the picture returned unchanged",
    "decide_use_own_below": "Use {one}: it is better than the recommended setting, but not than the"
    " picture returned unchanged",
    "decide_use_own_unknown": "Use {one}: it is better than the recommended setting",
    "decide_keep": "Keep the recommended setting ({settings}): nothing tried was reliably sharper",
    "decide_keep_own": "Keep the recommended setting ({settings}): nothing tried was reliably"
    " better",
    "decide_keep_as_is": "Keep the recommended setting ({settings}): nothing else that it can run"
    " was reliably sharper",
    "decide_keep_own_as_is": "Keep the recommended setting ({settings}): nothing else that it can"
    " run was reliably better",
    "decide_keep_searched": "Keep the recommended setting ({settings}): nothing tried scored"
    " better",
    "decide_keep_searched_as_is": "Keep the recommended setting ({settings}): nothing else that it"
    " can run scored better",
    "decide_choose": "Choose: {count} settings are beaten by none in both {goals}, and of these"
    " {one} has the best score",
    "decide_compared_better": "Use {one}: it is better than {other}",
    "decide_compared_worse": "Use {other}: it is better than {one}",
    "decide_compared_undecided": "Use either: no difference between {one} and {other} was found",
    "and": " and ",
    "as_is": "With train.py as it is: {said}",
    "layers": "{count} layers",
    "moves_pixels": "its generator moves pixels instead of repainting them",
    "why_better": "It leads the recommended setting by {difference} (95 % interval {low} to"
    " {high}{sure}).{level}",
    "why_undecided": "The best of the others, {one}, is not reliably {more} ({difference}, 95 %"
    " interval {low} to {high}{sure}).{level}",
    "why_worse": "The best of the others, {one}, is behind it by {difference} (95 % interval {low}"
    " to {high}{sure}).{level}",
    "sure": ", over {seeds} fresh seeds and {pairs} pairs that the search never saw",
    "why_compared_better": "It leads by {difference} (95 % interval {low} to {high}) over {seeds}"
    " fresh seeds and {pairs} held-out pairs.",
    "why_compared_worse": "It leads by {difference} (95 % interval {low} to {high}) over {seeds}"
    " fresh seeds and {pairs} held-out pairs.",
    "why_compared_undecided": "The difference is {difference} (95 % interval {low} to {high}) over"
    " {seeds} fresh seeds and {pairs} held-out pairs.",
    "level_above_it": " It scores {score}, the picture returned unchanged {noop}.",
    "level_below_it": " It scores {score}, no better than the {noop} of the picture returned"
    " unchanged.",
    "level_above_best": " The better of the two scores {score}, the picture returned unchanged"
    " {noop}.",
    "level_below_best": " The better of the two scores {score}, no better than the {noop} of the"
    " picture returned unchanged.",
    "level_stays": " Either way the blur stays: {score}, no better than the {noop} of the picture"
    " returned unchanged.",
    "more_sharp": "sharper",
    "more_good": "better",
    "scale": "Scores: 1 is the original itself.",
    "why_searched": "{one} scores {score} in one run{others}; a difference of single runs may be"
    " luck.",
    "recommended_scores": ", the recommended setting {score}",
    "unchanged_scores": ", the picture returned unchanged {noop}",
    "next": "Next",
    "trains_here": "This trains at {size} px for {epochs} epochs. harness restore then applies the"
    " model to pictures of any size.",
    "trains_there": "This prints the train.py command of the full training: {size} px, {epochs}"
    " epochs.",
    "its_command": "Its command",
    "next_with_yours": "Put your own folder of pairs in place of {folder}.",
    "random_weights": "Scored through random networks: compare these scores with no others",
    "random_weights_note": "The score and the perceptual term look at pictures through networks"
    " trained on ImageNet. Their weights were not available, so seeded random networks took their"
    " place: within this study the order of the settings is meaningful, but the numbers do not"
    " compare with those of another study. Search again with the weights before you rely on small"
    " differences; harness doctor says how to get them.",
    "finalists": "The finalists",
    "finalists_note": "The search's leaders and the guide's recommended setting, trained again:"
    " {steps} steps, {seeds} fresh seeds, {pairs} held-out pairs. There the input unchanged scores"
    " {noop}.",
    "compared_note": "Two settings trained on the same seeds: {steps} steps, {seeds} fresh seeds,"
    " {pairs} held-out pairs. There the input unchanged scores {noop}.",
    "eyes": "Judged by eyes",
    "eyes_agree": "Eyes and score agree in {agreed} of {decided} blind pairs ({share}; 95 %"
    " interval {low} to {high}, as if the pairs were independent).",
    "eyes_few": "Eyes and score agree in {agreed} of {decided} blind pairs ({share}, but of too few"
    " for an interval).",
    "eyes_undecided": "Pairs in which the eyes saw no difference, or the scores have none:"
    " {undecided}.",
    "eyes_chosen": "Chosen as the sharper one",
    "eyes_of": "{chosen} of {of}",
    "finding_supported": "supported",
    "finding_contradicted": "contradicted",
    "finding_open": "not enough evidence",
    "mean_score": "Mean score",
    "interval": "95 % interval, other seeds",
    "repeats": "Runs",
    "diverged": "diverged",
    "no_baseline_note": "The guide's recommended setting was not completed here, so there is"
    " nothing to compare with.",
    "failures_first": "The reasons are listed under “Trials that ended early”.",
    "winner": "Winner",
    "leader": "Leader",
    "recommended_short": "Guide's recommended",
    "problem_short": "Guide's blurring",
    "noop_short": "Input unchanged",
    "warm_start_short": "Warm start",
    "strip": "One crop, as each setting restores it",
    "strip_note": "A validation picture that no trial was trained on, where retouching changed it"
    " most. Click a picture to compare it; hold it (or the space bar) to see the original there."
    " {scores}",
    "strip_scores": "Each score is the mean over the validation pictures of the run that made the"
    " picture.",
    "strip_without_scores": "The pictures come from the search's runs; the finalists' scores"
    " below, from longer runs on other pictures, decide.",
    "compare": "Compare",
    "close": "Close",
    "pictures": "All pictures, side by side",
    "pictures_note": "Drag the handle, or use the arrow keys.",
    "no_pictures": "No pictures: the study's folder has no panels.",
    "as_is_short": "Best for train.py as it is",
    "recipe_perceptual": "With a perceptual term",
    "recipe_lower_L1": "Lower L1",
    "recipe_stronger_D": "Deeper discriminator",
    "recipe_lsgan": "LSGAN",
    "recipe_progressive": "Progressive, first stage",
    "recipe_alternative": "Guide's choice without a perceptual term",
    "recipe_warp": "Recommended, moving pixels",
    "scores": "How they score",
    "scores_note": "Means over {seeds} fresh seeds and {pairs} held-out pairs, with 95 % intervals"
    " for other seeds. The line: the picture returned unchanged.",
    "oracle_note": "Undoing the warp itself, the best possible, scores {oracle} on the validation"
    " pictures.",
    "scores_searched_note": "One run each, no repeats, so no intervals. The line: the picture"
    " returned unchanged.",
    "higher_better": "Higher is better.",
    "lower_better": "Lower is better.",
    "effects": "Which settings matter",
    "effects_note": "The dot: how much the score rises with each piece of the guide's advice, the"
    " other settings equal. The bar: its 95 % interval; one that crosses the line shows nothing. A"
    " straight line through short trials that the search chose: a direction, not a law.",
    "effects_moves": "In generators that move pixels ({trials} completed trials)",
    "effects_repaints": "In generators that repaint, as train.py does ({trials} completed trials)",
    "effects_all": "In {trials} completed trials",
    "effects_few": "Too few completed trials to tell what a setting does.",
    "claim_perceptual": "A perceptual term instead of none",
    "claim_lower_L1": "lambda_L1 halved",
    "claim_deeper_D": "One more layer in the discriminator",
    "claim_lsgan": "lsgan instead of vanilla",
    "claim_lower_lr": "lr halved",
    "contents": "Contents",
    "endings_moves": "moves pixels",
    "endings_repaints": "repaints",
    "alike_note": "Both kinds of generator were tried. The figures below show the trials of the"
    " winner's kind.",
    "setting": "Setting",
    "left": "Left",
    "right": "Right",
    "picture": "Picture",
    "split": "Where the left picture ends, in percent",
    "retouched": "Retouched (input)",
    "original": "Original",
    "recipes": "The guide's settings",
    "recipes_none": "None of the guide's settings was run in this study.",
    "recipe": "Recipe",
    "trial": "Trial",
    "score": "Score",
    "against_winner": "Against the winner",
    "state": "State",
    "history": "Every trial",
    "completed": "Completed",
    "pruned_at_last": "Stopped early, at its last rung",
    "best_so_far": "Best so far",
    "settings": "What each setting does",
    "slices_note": "Every completed trial by one setting at a time. The star is the winner, and"
    " the shaded ranges are the guide's bands. The other settings vary too.",
    "parallel": "Settings together",
    "parallel_note": "Each line is a completed trial: the bolder, the better. The best eighth is"
    " green.",
    "front": "Not beaten in both",
    "front_title": "Two goals weighed",
    "front_note": "Every completed trial by both goals. The green ones are the front: no other"
    " trial is better in one and as good in the other. Which to take is a matter of taste.",
    "band_sharper": "sharper, colours may shift",
    "band_balanced": "balanced",
    "band_accurate": "accurate, may blur",
    "band_careful": "careful",
    "band_recommended": "recommended",
    "band_distorts": "colours may distort",
    "band_slow": "slow",
    "band_fast": "fast",
    "losses": "The winner's training",
    "losses_axis": "Fraction of the value at the first rung",
    "losses_note": "Means between rungs, as fractions of the first one. The guide expects:",
    "step": "Step",
    "expects_falls": "{loss} falls",
    "expects_steady": "{loss} stays steady (within 25%)",
    "holds": "yes",
    "holds_not": "no",
    "not_measured": "not used",
    "from_to": "{first} to {last}",
    "course": "Score on the validation pictures",
    "fell_back": "The score was best at step {best_step} ({best}) and ended at {last}: a sign of"
    " overfitting, or of unsteady training.",
    "held_up": "The score ended at {last}, its best was {best} at step {best_step}: no sign of"
    " overfitting.",
    "endings": "Trials that ended early",
    "endings_none": "Every trial ran to its end.",
    "reason": "Reason",
    "how_many": "Trials",
    "no_reason": "not recorded",
    "state_complete": "completed",
    "state_pruned": "stopped early",
    "state_fail": "failed",
    "state_running": "running",
    "state_waiting": "waiting",
    "table": "All trials",
    "table_note": "Press a heading to sort by it.",
    "definition": "What the score means",
    "definition_1": "boundary_sharpness lies between 0 and 1; the original itself has 1. It is"
    " computed in the retouched region, widened by 2 % of the picture's short side.",
    "definition_2": "Score of a picture = exp(-(D + E + Lrel)). D: how much local detail (variance"
    " of the Laplacian at three scales) is missing compared with the original: blur. E: how much"
    " excess detail there is: noise, ringing, checkerboard. Lrel: the LPIPS distance to the"
    " original, divided by that of the input unchanged: 1 is no better than doing nothing.",
    "definition_3": "The study's score is the mean over the validation pictures. Scores are"
    " comparable only with the same pictures, size and weights.",
    "provenance": "Where the numbers come from",
    "reproduce": "Run it yourself",
    "repeat_recommended": "Repeat the recommended setting's short training",
    "full_recommended": "Train the recommended setting in full",
    "repeat": "Repeat the winning trial's short training",
    "full": "Train the winning settings in full",
    "first_command": "the first command",
    "second_command": "the second command",
    "copy": "Copy",
    "copied": "Copied",
    "space": "Search space",
    "skip": "Skip to the content",
}
