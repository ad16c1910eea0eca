"""Musculoskeletal and paediatric cases."""

from __future__ import annotations

from pacsweb.demo.cases.model import Ask, CaseText, Code, Option, mark, normal_choice

BONES = (
    CaseText(
        study="wrist-fracture",
        title="Fracture of the distal radius",
        alternative_title="72-year-old woman who fell on the outstretched hand",
        history="She slipped on ice. The wrist is swollen and looks like a fork from the side.",
        findings="A transverse irregular line crosses the metaphysis of the radius about 2 cm above the joint; the distal piece "
        "is impacted and shifted to the radial side. The ulna is intact. Bone is thin in cortex and trabeculae.",
        differential="- Scaphoid fracture: may come with it\n- Ulnar styloid fracture: often comes with it",
        diagnosis="Impacted extra-articular fracture of the distal radius in osteoporotic bone.",
        discussion="Report what the surgeon plans with: is the joint surface involved, is the radius shortened, what are the "
        "inclination and the tilt. Normal values: radial inclination about 23°, palmar tilt about 11°, ulnar variance within "
        "2 mm. After such a fall at this age the fracture is also a diagnosis of *osteoporosis*: say that treatment of the bone "
        "should follow.",
        references="1. Medoff RJ. Essential radiographic evaluation for distal radius fractures. *Hand Clin* 2005;21:279–288.",
        group="distal radius fracture",
        category="musculoskeletal",
        organ_system="musculoskeletal",
        anatomy="Wrist",
        level="primary",
        age_band="70-79",
        sex="female",
        codes=(Code("I10", "S52.5", "Fracture of lower end of radius"),),
        keywords=("Colles", "osteoporosis"),
        questions=(
            mark("The line across the metaphysis of the radius."),
            Ask(
                "multiple",
                "What belongs in the report besides the line itself?",
                "Joint involvement, length and angles decide between cast and plate.",
                (
                    Option("Whether the joint surface is involved", True, "A step above 2 mm matters."),
                    Option("Radial shortening", True, "Ulnar variance compared with the other side."),
                    Option("Radial inclination and palmar tilt", True, "About 23° and 11° normally."),
                    Option("Density of the soft tissue in HU", False, "Not on a radiograph."),
                ),
            ),
        ),
    ),
    CaseText(
        study="wrist-scaphoid",
        title="Scaphoid waist fracture",
        alternative_title="27-year-old man with a tender snuffbox",
        history="He fell backwards on the left hand while playing basketball. The anatomical snuffbox is tender.",
        findings="A thin lucent line crosses the middle third of the scaphoid without displacement. The other carpal bones lie "
        "in their arcs.",
        differential="- Nutrient vessel: sclerotic margin, does not reach both cortices\n- Bipartite scaphoid: rounded, "
        "both sides",
        diagnosis="Undisplaced fracture of the scaphoid waist.",
        discussion="Blood reaches the scaphoid from its distal end: a fracture of the waist or proximal pole starves the proximal "
        "piece, and missing it costs the wrist. A normal first film does not exclude it. With a tender snuffbox immobilise and "
        "repeat in ten to fourteen days, or make an MR now. Follow the three carpal arcs of Gilula on every film.",
        references="1. Herbert TJ, Fisher WE. Management of the fractured scaphoid using a new bone screw. *J Bone Joint Surg "
        "Br* 1984;66:114–123.",
        group="scaphoid fracture",
        category="musculoskeletal",
        organ_system="musculoskeletal",
        anatomy="Wrist",
        level="intermediate",
        age_band="18-29",
        sex="male",
        codes=(Code("I10", "S62.0", "Fracture of navicular [scaphoid] bone of hand"),),
        keywords=("snuffbox", "avascular necrosis"),
        questions=(
            mark("Across the middle third of the bone on the radial side of the proximal row."),
            Ask(
                "single",
                "Which piece is at risk?",
                "The artery enters distally; the proximal pole depends on it.",
                (
                    Option("The proximal pole", True, "It is supplied from distal."),
                    Option("The distal pole", False, "The artery enters here."),
                    Option("Both alike", False, "Supply comes from one end."),
                    Option("Neither: it is covered by cartilage", False, "That is part of the problem."),
                ),
            ),
        ),
    ),
    CaseText(
        study="wrist-buckle",
        title="Buckle fracture of the distal radius in a child",
        alternative_title="7-year-old boy who fell from a climbing frame",
        history="He cries when the left wrist is touched. No deformity.",
        findings="Both cortices of the radius bulge at the same height above the growth plate; no line runs through. The growth "
        "plates of radius and ulna are open, the carpal bones only partly ossified.",
        differential="- Greenstick fracture: one cortex broken, the other bent\n- Salter-Harris II: line into the growth "
        "plate",
        diagnosis="Buckle (torus) fracture of the distal radius.",
        discussion="Children's cortex is soft and gives way like a column that is pressed: it *bulges*. Trace the cortex with your "
        "eye; it should be a smooth curve. A removable splint for three weeks heals it and needs no second film. Know the "
        "growth plate before you call it a fracture, and think of non-accidental injury when history and picture disagree.",
        references="1. Plint AC, et al. A randomized, controlled trial of removable splinting versus casting for wrist buckle "
        "fractures in children. *Pediatrics* 2006;117:691–697.",
        group="buckle fracture",
        category="paediatric",
        organ_system="musculoskeletal",
        anatomy="Wrist",
        level="primary",
        age_band="6-12",
        sex="male",
        codes=(Code("I10", "S52.5", "Fracture of lower end of radius"),),
        keywords=("torus", "growth plate"),
        questions=(
            mark("Both cortices of the radius, about 2 cm above the growth plate."),
            Ask(
                "single",
                "What is the lucent line near the joint?",
                "The growth plate is open at this age.",
                (
                    Option("The growth plate", True, "Both bones have one, with smooth margins."),
                    Option("A second fracture", False, "It is symmetrical in radius and ulna."),
                    Option("A Salter-Harris I injury", False, "It is not wide and nothing is displaced."),
                    Option("A Harris growth arrest line", False, "Those are dense."),
                ),
            ),
        ),
    ),
    CaseText(
        study="wrist-normal",
        title="Normal wrist",
        alternative_title="34-year-old woman after twisting her wrist",
        history="Twisted while catching a dog's leash. Pain on the ulnar side, no snuffbox tenderness.",
        findings="Cortices are smooth, the three carpal arcs unbroken, joint spaces of even width.",
        diagnosis="Normal wrist radiograph.",
        discussion="Four steps: cortex of every bone, arcs of Gilula, joint spaces (1–2 mm), soft tissue. One view is no view: "
        "ask for the lateral.",
        group="normal wrist",
        category="musculoskeletal",
        organ_system="musculoskeletal",
        anatomy="Wrist",
        level="primary",
        age_band="30-39",
        sex="female",
        keywords=("normal", "Gilula"),
        questions=(
            mark("There is nothing to mark."),
            normal_choice(
                "Normal",
                (
                    ("Scaphoid fracture", "Its cortex and trabeculae run through."),
                    ("Scapholunate dissociation", "The space is as wide as its neighbours."),
                    ("Fracture of the ulnar styloid", "It is attached and smooth."),
                ),
                "Cortices smooth, arcs unbroken.",
            ),
        ),
    ),
    CaseText(
        study="hip-fracture",
        title="Displaced fracture of the femoral neck",
        alternative_title="82-year-old woman who cannot stand after a fall at home",
        history="Found on the kitchen floor in the morning. The left leg is shorter and turned outwards.",
        findings="An irregular lucent line crosses the left femoral neck below the head. The shaft has moved upwards. The "
        "trabeculae of head and neck no longer line up. Bone density is low.",
        differential="- Trochanteric fracture: outside the capsule, other implant\n- Pubic ramus fracture: same history, "
        "look at the ring\n- Osteophyte over the neck: does not cross the medulla",
        diagnosis="Displaced subcapital fracture of the left femoral neck (Garden III–IV).",
        discussion="Two questions decide everything: inside or outside the capsule, displaced or not. Inside, the arteries to "
        "the head run along the neck and tear: with displacement the head is replaced, without it is pinned. When the film "
        "is normal and the patient cannot bear weight, an MR (or CT) on the same day finds the occult one in every tenth. "
        "Trace Shenton's line on both sides.",
        references="1. Garden RS. Low-angle fixation in fractures of the femoral neck. *J Bone Joint Surg Br* 1961;43:647–663.",
        group="femoral neck fracture",
        category="emergency",
        organ_system="musculoskeletal",
        anatomy="Hip",
        level="primary",
        age_band="80-89",
        sex="female",
        codes=(Code("I10", "S72.0", "Fracture of neck of femur"),),
        keywords=("Garden", "Shenton"),
        questions=(
            mark("The line below the head of the femur."),
            Ask(
                "single",
                "The film is normal, the patient cannot bear weight. What now?",
                "MR shows marrow oedema within hours.",
                (
                    Option("MR on the same day", True, "Finds the occult fracture with certainty."),
                    Option("Repeat the film in two weeks", False, "By then it may be displaced."),
                    Option("Mobilise under pain relief", False, "May displace it."),
                    Option("Bone scan at once", False, "Often false negative in the first two days in the elderly."),
                ),
            ),
        ),
    ),
)
