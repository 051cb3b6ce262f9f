package main

import (
	"fmt"
	"slices"
	"strings"
)

// compare lists where two sides differ. Whatever is missing is named once, not again for each thing inside it.
// An omission that the release does not have, or that we do not omit any more, is a difference as well.
func compare(ours, theirs facts, omissions []string) []string {
	var differences []string
	for _, omission := range omissions {
		if _, released := theirs[omission]; !released {
			differences = append(differences, omission+": listed as left out, but the release does not have it")
		}
		if _, here := ours[omission]; here {
			differences = append(differences, omission+": listed as left out, but it is here")
		}
	}
	reported := slices.Clone(omissions)
	for _, place := range places(ours, theirs) {
		inReported := func(missing string) bool {
			return place == missing || strings.HasPrefix(place, missing+" / ")
		}
		if slices.ContainsFunc(reported, inReported) {
			continue
		}
		here, isHere := ours[place]
		there, isThere := theirs[place]
		switch {
		case !isHere:
			differences = append(differences, fmt.Sprintf("%s: missing here (%s in the release)", place, there))
			reported = append(reported, place)
		case !isThere:
			differences = append(differences, fmt.Sprintf("%s: not in the release (%s here)", place, here))
			reported = append(reported, place)
		case here != there:
			differences = append(differences, fmt.Sprintf("%s: %s here, %s in the release", place, here, there))
		}
	}
	return differences
}
