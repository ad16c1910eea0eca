"""The words that say nothing of a person: technique, anatomy, the standard's own terms, makers of equipment.

Text that the profile keeps is kept only when it is made of them (`deid.domain.texts`). What is not here is treated as
free text, so a list that is too short costs a label, never a name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.sr import _concepts_dict

from deid.domain.descriptors import VOCABULARY
from deid.domain.identifiers import DEFINED_TERMS, fold
from deid.domain.words import words

# Defined terms, and words of them, that the names of attributes and concepts do not hold (PS3.3), with the values that
# machines write beside them into Image Type, Scan Options and the like.
TERMS: Final = words(
    """
    aborted absolute abstract accepted acquisition admin afdl afdr affine alternative aluminum ambient analog anisotropy
    aperture aplio approved ascending average avg background balance bandpass bands basis biped biplane bitmap blank
    bmp bolus both bottom bowtie bpd brachy breath bypass calculated camera canceled cancelled cardio cartesian caudal
    centric circular clear closed cmos coarse coil coincidence collimated collimator combination committed complete
    completed complex composite cone confocal const continuous control copper cosine counts cranial created crop
    curative curve curved cut cyl cylinder cylindrical dashed decay decoded default deg demo descending detector device
    dft dicom difference digital diode direct dis2d dis3d discharged discontinued displaced display distal distance
    distorted doppler dosimeter duodenum eddy edge electron elasticity ellipse ellipsoidal emission emptying empty enc
    enclosing encoded end endo energy enhance enroll envelope ept equalized error estimated even excluded excretion
    exponential exposure extended extension external eyelid failed failure false fatwater feathered ffdl ffdr ffp ffs
    field filt filtered final fine fitted fixed flat flexible flip fluence fluoroscopy fluoro fmri forward forefoot
    fourier fraction frames free freehand freq frequency fundamental gain gamma gated gaussian generated global grab
    grating gray greater green grey grid half hamming hanning harmonic hfdl hfdr hfp hifi highest hold homogeneous hor
    horizontal hot hybrid hyper identity imaginary immediate implant imported inactive included increasing indirect
    infrared initial inprogress inside intensity intermediate interleaved internal interpolated interstitial invalid
    invert inverted ion irregular isocenter isotropic item iterative jpeg kinetic land landscape lao large laser lat
    layer lead leaf left less letters linear live loc local locked log logarithmic longitudinal loss lost lower lut
    machine macro magnet magnify mammo manu manual manually manufacturer marker masked match max maximum measured
    mechanical mechanism mid min minimum minip minute minutes mip mixed mlc mlcx mlcy mlem mode model modified
    modulated modulation moly molybdenum monitor mono monochrome1 monochrome2 monoplane mosaic motion motor mpr
    mprthick mtc multiband multicoil multiecho multiple multiply narrow natural navigator nd neutron nom nominal
    nonlinear nonparallel nonrigid nonuniform norm normal normalized not nrgy number numeric obl oblique obs
    obstetrical occupied odd off operator optical organ osem osp outline outlined outside overlap overview ox paced
    pair palette palliative parallel parent parker partial particle passed patch patient pause peak percent perf
    performed peripheral permanent perspective pffp pfp phantom photo photon physical pixel planar plane planned
    plastic pll pns point points polygon polygonal polyline polynomial portal portfilm portrait postfire position
    posterior power precomputed predecessor prefire preliminary presentation preset pressure pri primary prime
    probability probe processed processing product proj projection prompt propcps propeller properties propagated
    prospective proton prototype proximal prox pulse pulsed pulmo pvc qa qc quality quantitative question radial radian
    radio radiograph ramla ramp random randoms raster ratio rational raw ray rcbf rcbv reading ready real rebinned
    recon reconstructed reconstruction record recorded rect rectangle rectangular rectilinear red redfree reduce ref
    reference reflected reformat refused reg registration rejected relative remote removal render rendered repeated
    replace reported resample research reset residual resp response restricted result results retrospective reverse
    revised rf rib rigid rotate rotating rotation rotational row ruler running same sample sampled satisfied saturation
    scaled scan scans scatter scheduled scoord scoord3d screen second seconds sector segmental segmented select
    selected selective semiautomatic sense sensitivity separate sequence sequential series session setup shadow shape
    shared sharp shield short shutter side signal simple simulator simultaneous single sitting size skip slew slice
    slide slow small smooth soft software solid some source spacing spatial speckle spectral spectroscopy spherical
    spline split spoil spot square srgb ss stack stage staged start started static stationary status std steady step
    stereo stop stopped strain stream strip structure subject subtract subtracted success sum sup support surface
    suspended sweep switch sym symmetric synthetic syn system table tagged tagging target task temp template temporal
    tensor terminated test text texture thick thin thread threshold thrpt tiled tilt tilted timed title tomo
    tomosynthesis top total trace tracer track tracking trackball transcribed transform transformed transit
    transmission transparent treat treated treatment triggered true trues tube tungsten turbo twin type ultra
    unaltered unapproved unassigned uncalibrated undefined underlying undetermined unidirectional uniform units
    unmodified unpaced unspecified unused unverified update upper uptake user utility vacuum value variable variance
    vector velocity venous verification verified vert vertical video viable view virtual visible visual vital void
    volume volumetric wall warning washin washout water wavelength wedge weeks weight weighted white whole wide window1
    window2 window3 wireframe withdrawn workstation xray years zero zoom z 2chamber 3chamber 4chamber
    head_filter body_filter unknown uncorrected corrected nocorr qcsuccess wholebody cspine tspine lspine lsspine
    uterus ovary testis scrotum cervix larynx pharynx hindfoot calcaneus metacarpus metatarsus patella ilium sacroiliac
    acromioclavicular humerus forearm scapula fibula mandible zygoma sinuses mastoid petrous orbits nasal submandibular
    jejunum ileum rectum appendix spleen bileduct pancreas liver kidney bladder prostate thyroid parathyroid thymus
    coccyx sacrum lspine hip hips thigh calf ankle foot toe finger thumb hand wrist forearm elbow shoulder upperlimb
    lowerlimb breast axilla aorta carotid iliac femoral popliteal tibial peroneal renal hepatic portal splenic vena cava
    csgrid dynacad tricks vibrant fspgr efgre3d fiesta propeller cube bravo lava vista thrive dream balanced
    adult child infant pediatric neonate newborn
    abdomenpelvis abdo pelvis amniotic annulus aneurysm atlantooccipital automated avoidance azygos basilar bilinear
    biteblock board butterfly cardresp card carm celiac cephalostat cereb hemisphere chestabdpelvis circleofwillis
    combine concurrent coro coronaryartery curved custodian cutline dcmr dcmtk decreasing delayed dens distalphalanx
    divg dlyd effective egyptian hebrew hijri japanese gregorian julian chinese islamic ethiopic coptic buddhist
    elec enclosed endobronchial endocav endocavitary endometrium endorectal endovaginal endsystole enrollment europium
    fermi fetal focused focusing foregetlock fovea frontalsinus gonad gonads graticule headframe headneck headrest has
    acq concept mod context properties inferred contains hexagonal inroom integrating intracardiac intracavitary
    intraoperative informative isocentric labelmap lfa lca landolt layout level local lorentzian mammographic mat
    midline mineral modify modulus multilayer multiline multipoint multisegment narrowband neckchest neckchestabdomen
    neckchestabdpelv niobium nonprogressive notspecified null occupancy oesophageal opaque oscillating overwritten
    perineal phosphor physio pictures pinh pixl pname poly polycycloidal position postbiopsy postinterpret postmarker
    pseudocontinuous prof prophylactic questionable radiusulna range rangeline realtime replicate resp retracted
    retroperitoneum reticle rhodium riesz rota rsupraclavicular rtdose rtdvh rtimage rtplan rtrecord rtstruct rtss rwave
    scale scattered scatterer scintillator scpecg secondary_capture sequenced sharpened sibling silicon singles slim
    spirometer spouse stereo_plus stippled superimposed tabl tcoord testicle texturemap thumbnail tibiafibula tilting
    tracked transcranial transgastric transtemporal tukey uidref ugitract unconstrained undecided unif unsafe unzeroed
    urinarytract vacuum vagina veterinarian vulva waltz wobble xdiff ydiff zdiff yolk sac trss optenf ivoct ptscan
    self spouse parent guardian owner investigator operator
    complete partial unscheduled requested overview localizer label thumbnail cine mode scout smart prep helical axial
    fmri dmri perf trace eadc colfa tensor dis3d nofs mfsplit divided compressed average standard ordinary
    filter bowtie body large medium small none flat wedge butterfly molybdenum lead tin
    genou tete thorax rachis
    fluorodeoxyglucose fluoro glucose fludeoxyglucose methionine choline ammonia rubidium technetium gallium dotatate
    dotatoc psma florbetapir flutemetamol acetate water oxygen carbon nitrogen thallium iodine sestamibi tetrofosmin
    spi xyz ec scat decy ran mot dlyd sing nofilter cnr fil tracew csa csaparallel csamanip csaresampled composed moco drb
    drs drg snr gsi mono reformatted save dual tse spc tfi tgse epfid trufi haste medic vibe star dess ciss psif
    resolve blade twist grappa smash sns flow fast release rev revision build patch hotfix hf sp vers version v ver
    apps lx host os win linux java com upgrade console recon scanner software sw hw fw firmware
    hrbrain xl ctac sg ssimul simul blob kinahan rogers vpfxs vpfx vpfxhd qclear fluciclovine mdp dmsa mag3 hida dtpa xy om bb
    na gems edr acc memp vasctof he det abd sat fast hea hep nvarray hns ant pos
    bonedetl boneplus detail edge chst sharpen fc lungdetl lp hp bp butter hann ramp parzen metz wiener
    standard_t homogen uniformity coilsens phasecorr array channel channels ch cardiac torso neurovascular spine1 knee
    shoulder wristcoil breastcoil bodycoil headcoil rx tx quad quadrature birdcage flex flexl flexs loop loops
    qbody qhead syn bodymatrix headmatrix matrix spinematrix pa
    microvolt millivolt volt ampere milliampere kilovolt micrometer millimeter centimeter meter kilometer microgram
    milligram gram kilogram microliter milliliter liter microsecond millisecond second minute hour day week month year
    hertz kilohertz megahertz becquerel megabecquerel gray milligray sievert millisievert joule watt pascal newton
    celsius kelvin degree radian percent per tesla millitesla mole millimole squared cubed square cubic
    analogue scintillation crystal lyso bgo nai czt ffdm dbt cesm
    map derived based mumap measured segmented shift uniform smoothing allpass gauss ramlak shepp logan butterworth
    """
)

# Names that private schemes of codes are known by.
PRIVATE_SCHEMES: Final = words(
    """
    99PMP 99SDM 99GEMS 99SIEMENS 99PHILIPS 99QIICR 99DICOM 99_OFFIS_DCMTK 99OFFIS 99ACME 99PACSWEB 99REMOVED 99RPH
    99HOLXDXA 99IPCMR 99SMS_CTMR 99IHE 99DCM4CHE 99FUJI 99TOSHIBA 99HITACHI 99AGFA 99HIGHDICOM
    """
)

# Terms of one to three letters, which could as well be a short name, are known one by one: modalities, positions,
# laterality, sequence types, units (PS3.3 C.7.3.1.1.1, C.7.3.1.1.2, C.8.3.1, C.8.15.3).
SHORT_TERMS: Final = words(
    """
    a p r l h f u b m n o s t x y z i c d e g k v w ap pa ll rl lld rld lr si is al ar pl pr af pf ah ph lf rf lh rh hl
    hr fl fr fa fp ha hp la lp ra rp ant ax cor sag tra obl rao lao hfp hfs hfdr hfdl ffp ffs ffdr ffdl afdr afdl pfdr
    pfdl cc mlo ml lm lmo xccl xccm fb sio iso at rm rl cv tan at
    ct mr nm us cr dx mg io px rf xa pt ot sm sr seg reg rt es xc gm dms oct op opt opm opv oam ecg eps hd au pr ko
    doc ivus bdus rg ls tg vf ss ar len va ker srf iol ivo bi as cd cf cp cs dd df dg dm ds ec ei epi fs hc mc
    ms st td vl fid plan stl obj mtl m3d rwv doc dss sc
    se ir gr ep sk mtc sp mp osp per rg cg ppg fc pff fd fr fs ft sat sfs gem ge tfe ffe tse tir dwi dti adc fa
    swi mip mpr fmr asl bold phs mag rea img m_se m_ffe m_ir r_ir i_ir p_ffe se t1 t2 pd te tr ti b0 b1 et fl2d fl3d
    rgb ybr yes no on off none max min avg sum std var add sub cw ccw col row raw lin log hu us od hz khz mhz cm mm um
    nm kg ml ms sec min bq ci gy mgy sv msv kv ma mas mu mv kev mev deg rad pct cnt bqml cnts gml cm2ml nrgy attn dtim
    dcal motn pmot clos clmp rscat iv po im sc ia id ca cu al mo rh ag sn w ta be pb zn fe nb gd fdg nacl kcl
    dicom dcm sct srt snm ln cid tid lut voi icc roi ptv gtv ctv oar bev drr epid pin
    abs air apt arc arm bit bmi box cam can cap cd cid clip cl ctdi cta ctp cyl d1 d2 dbt dlp dsa dta ecg ekg ent exp
    ext eye fov fbp gap gyn h1 hdr hip iac ica inf int ivc jaw kub lad lat lca leg lvot lin lip mca mra mrs mrv msk neo
    nsa nex oby obs oem ops orb osem pca pet psf ptx pvd qct rca rib rot rpo lpo seg sma smv ssd svc tee tia tmj toe
    tof tte ub uib up usr vas vol vx ya yb yc yd ye uc ua ub
    the of and for with from not in out or per each new old set see via by to at a an
    ip op tc tf mw hw db dt 1h 13c 19f 23na 31p 2d 3d 4d
    """
)

# Makers of imaging equipment and software, and what their names are made of.
MAKERS: Final = words(
    """
    pacsweb phantom works
    acme acuson agfa aloka alpinion analogic anke aspect barco brainlab bruker canon carestream carl zeiss cerner change
    clarity codonics cyberknife dentsply digirad dornier elekta elscint elekta esaote eizo fonar fuji fujifilm ge
    gems genoray gendex getinge given hamamatsu heidelberg hitachi hologic icad imatron infinitt instrumentarium
    intelerad isoray kodak konica koninklijke kretz leica lodox mallinckrodt marconi mccue mckesson medison medtronic
    merge mindray minolta mirada nanox natus nec neusoft nidek nihon kohden nucletron olympus optos orthanc osirix
    paxera perkinelmer philips picker planmeca pydicom raysearch resonance rimage rogan samsung sectra sedecal
    shimadzu siemens sirona smv sonosite sonoscape spectral summit supersonic swissray synarc tera terarecon
    tomotherapy topcon toshiba trex trophy trumpf united unisyn vatech varian vidar villa visage visus vital xoran
    zonare 3m abbott hp mec imaging toshiba_mec hologic healthcare health healthineers medical medicine med systems
    system inc incorporated corp corporation co company gmbh ag kg ltd limited llc plc sa nv bv spa srl ab oy kk
    technologies technology technologie tech solutions solution group international instruments instrument electronics
    electronic electric europe america usa asia japan germany deutschland nederland china industries industrial
    ultrasound radiology radiation oncology nuclear mri xray x-ray diagnostic diagnostics digital visualization
    informatics software hardware products division network networks equipment laboratories labs laboratory research
    development engineering g.e s.p.a manufacturer name here unknown planning treatment open source offis dcmtk merge
    dicomobjects pixelmed highdicom slicer itk vtk horos weasis philips.com pmsn mipav fmrib freesurfer general
    shanghai beijing anhui suzhou uih biospin mie meditec neurologica sciences lumenis accuray cps adac supersonic imagine
    samsungneurologica unitedimaging mindways carestreamhealth agfahealthcare swissvision eizonanao orthoscan imaging3
    xoran curvebeam planmed delft oldelft italray intermedical villasistemi medicor trixell perlove angell wandong allengers
    skanray dms apelem stephanix primax radspeed sedecal arcoma delairad quantum quantumdx imix varex rayence drtech
    vieworks radmedix medlink esaotespa terason chison sonoscape wisonic zonare clarius butterfly bk
    mediso bioscan molecubes spectrumdynamics digirad naviscan positrigo cubresa cmr raycan mevion procure
    viewray refleksion reflexion elektaab brainlabag medcom heartflow circle cvi42 tomtec medis terarecon vitrea
    canfield haagstreit centervue nidek tomey oculus optopol
    nikon evident leitz sakura roche ventana hamamatsu motic grundium 3dhistech epredia aperio
    """
)

# Product names and the words in them.
MODELS: Final = words(
    """
    achieva ingenia intera panorama gyroscan prodiva elition ambition evolution multiva brilliance iqon ingenuity gemini
    vereos allura azurion essenta duradiagnost epiq affiniti sparq lumify iu22 ie33 hd11 clearvue cx50 eclipse
    somatom sensation definition emotion force drive flash edge confidence perspective scope go open
    magnetom avanto aera skyra prisma vida verio trio espree symphony harmony concerto sonata essenza amira sola lumina
    altea free biograph mct vision horizon truepoint symbia intevo ecam e.cam artis zee zeego pheno icono q axiom
    luminos sireskop multix mobilett mammomat inspiration revelation fusion acuson sequoia antares syngo via
    lightspeed vct revolution optima discovery signa hdxt hdx excite pioneer architect premier artist voyager infinity
    hispeed prospeed highspeed advantage advance ultra pro plus xt vivid logiq voluson vscan innova definium senographe
    pristina essential millennium infinia brivo precision apex evo maxima expert frontier ct750 hd
    aquilion aquilionone prime lightning vision one genesis vantage titan orian galan celesteion excelart asteion xario
    aplio artida infinix ultimax precise selenia dimensions horizon lorad mammo explorer delphi discovery
    fcr console capsula profect amulet fdr d-evo go nano carbon
    ipipe varian truebeam halcyon ethos clinac trilogy unique eclipse aria acuros synergy versa unity infinity monaco
    xio oncentra pinnacle raystation multiplan tomohd radixact hi-art gammaknife icon
    ntomx5 scenaria supria echelon airis oasis altaire
    uct umr ump uexplorer resona dc nuvis optix cirrus spectralis maestro 3d-oct stratus visucam
    treatment planning workstation server viewer pacs archive gateway console station acquisition apps application
    iplan dynavue advantage windows aw extended brilliance intellispace portal mim syntegra advanced x-series classic
    achieva.dstream dstream trio tim prisma fit bright big bore allura xper pinnacle eclos drx mx8000 idt ecat ste tf digital
    xeleris ysio uroskop multistar coroskop hicor polytron axiom iconos vertix megalix orthophos arcadis cios siremobil
    digitaldiagnost probenza bucky cosmos omnidiagnost easydiagnost multidiagnost integris precisionone precise proxi
    definium optima proteus revolution xr220 xr656 amx brivo connex advantx prestige precision seno essential pristina
    aquilionlx alphenix radrex ultimax kalare adora vantagetitan fortian galan cartesion saturn echelonsmart
    varicam infinia hawkeye millenium starcam ventri discoverynm quasar forte cardiomd brightview precedence skylight
    symbiat intevobold orbiter ecamduet cstar evodual anyscan mediso nuclide
    mobilediagnost mobiledart sonialvision trinias bransist fluorospeed raspeed heartspeed opescope
    planscan promax viso scanora newtom orthopantomograph galileos icat kodak carestream9300 cs9300 vatechpax pax
    rotor larmor senses gmp qin mcs aws works mammodroc petsyngo versa nanozoomer ultrafast tamar
    dstream mr ct pet spect us cr dr simple generator sim simulator scanner camera
    """
)

_WORD: Final = re.compile(r"[^\W\d_]+", re.UNICODE)


@lru_cache(maxsize=1)
def standard_words() -> frozenset[str]:
    """Words of four letters and more in the names of DICOM's attributes and the meanings of PS3.16's codes.

    Of a meaning only words in lower case: what is always capitalised may be somebody's name (Parkinson, Russell).
    """
    found: set[str] = set()
    for _vr, _vm, name, _retired, _keyword in DicomDictionary.values():
        found.update(_WORD.findall(fold(name)))
    concepts: Any = _concepts_dict.concepts
    for keywords in concepts.values():
        for codes in keywords.values():
            for meaning, _groups in codes.values():
                found.update(fold(word) for word in _WORD.findall(str(meaning)) if word.islower())
    return frozenset(word for word in found if len(word) >= 4)


@lru_cache(maxsize=1)
def technical_words() -> frozenset[str]:
    """Every word that text of an image may be made of, folded."""
    return standard_words() | VOCABULARY | DEFINED_TERMS | TERMS | SHORT_TERMS


@lru_cache(maxsize=1)
def product_words() -> frozenset[str]:
    """Names of makers and products, folded, with the technical words."""
    return technical_words() | MAKERS | MODELS
